import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

/** What an image built from a Dockerfile says of itself. */
export interface ImageConfig {
  workdir: string;
  env: Record<string, string>;
  labels: Record<string, string>;
  user: string;
  stopSignal: string;
  entrypoint: string[];
  command: string[];
  /** The health check's command. */
  healthcheck: string[];
}

/** A stage of a Dockerfile, carried out below `root`, which stands for its file system. */
export interface Stage {
  name: string;
  base: string;
  root: string;
  /** The RUN instructions as they stand in the file. */
  runs: string[];
  config: ImageConfig;
}

/**
 * Carries out a Dockerfile without a container engine: every stage becomes a folder below `scratch`, COPY copies from `context` as
 * .dockerignore leaves it, RUN runs on this machine in the stage's folder, with the stage's paths. A base image is stood for by the
 * Node that runs this. Throws at an instruction that it does not know. Answers the stages in order; the last one is the image.
 */
export function replay(options: { dockerfile: string; context: string; scratch: string }): Stage[] {
  const { dockerfile, context, scratch } = options;
  const stages: Stage[] = [];
  const args: Record<string, string> = {};
  for (const { word, rest } of instructions(readFileSync(dockerfile, 'utf8'))) {
    if (word === 'ARG') {
      const [name = '', value = ''] = rest.split('=');
      args[name] = value;
    } else if (word === 'FROM') {
      const [image = '', , name = 'image'] = rest
        .replace(/\$\{(\w+)\}/g, (_, arg: string) => args[arg] ?? '')
        .split(' ');
      stages.push(begin({ name, base: image, root: join(scratch, name) }));
    } else {
      const stage = stages.at(-1);
      if (!stage) throw new Error(`${word} before FROM`);
      carryOut({ stage, stages, context, word, rest });
    }
  }
  return stages;
}

function begin({ name, base, root }: Pick<Stage, 'name' | 'base' | 'root'>): Stage {
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
  chmodSync(join(root, 'usr/local/bin/node'), 0o755);
  const config = { workdir: '/', env: {}, labels: {}, user: '', stopSignal: '' };
  return { name, base, root, runs: [], config: { ...config, entrypoint: [], command: [], healthcheck: [] } };
}

interface Step {
  stage: Stage;
  stages: Stage[];
  context: string;
  word: string;
  rest: string;
}

function carryOut({ stage, stages, context, word, rest }: Step): void {
  const { config, root } = stage;
  switch (word) {
    case 'WORKDIR':
      config.workdir = rest;
      mkdirSync(join(root, rest), { recursive: true });
      break;
    case 'COPY':
      copy({ stage, stages, context, words: rest.split(/\s+/) });
      break;
    case 'RUN':
      stage.runs.push(rest);
      execFileSync('/bin/sh', ['-ec', below(root, rest)], {
        cwd: join(root, config.workdir),
        env: { ...buildEnvironment(root), ...config.env },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      break;
    case 'ENV':
      Object.assign(config.env, pairs(rest));
      break;
    case 'LABEL':
      Object.assign(config.labels, pairs(rest));
      break;
    case 'USER':
      config.user = rest;
      break;
    case 'STOPSIGNAL':
      config.stopSignal = rest;
      break;
    case 'HEALTHCHECK':
      config.healthcheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 4)) as string[];
      break;
    case 'ENTRYPOINT':
      config.entrypoint = JSON.parse(rest) as string[];
      break;
    case 'CMD':
      config.command = JSON.parse(rest) as string[];
      break;
    case 'EXPOSE':
      break;
    default:
      throw new Error(`${word} is not known here`);
  }
}

/** Instructions without comments, continued lines joined. */
function instructions(text: string): { word: string; rest: string }[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  const joined = lines.join('\n').replace(/\\\n\s*/g, '');
  return joined
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [word = ''] = line.split(' ', 1);
      return { word, rest: line.slice(word.length).trim() };
    });
}

function pairs(text: string): Record<string, string> {
  const found = text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g);
  return Object.fromEntries([...found].map(([, name = '', quoted, bare]) => [name, quoted ?? bare ?? '']));
}

/** A command with its absolute paths below the folder that stands for the file system. */
function below(root: string, command: string): string {
  return command.replace(/(^|\s)\/(?=\w)/g, (_, before: string) => `${before}${root}/`);
}

/** As npm would be started by hand: nothing of an npm that runs this. */
function buildEnvironment(root: string): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_|^VITEST/.test(name));
  const path = (process.env.PATH ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
  return { ...Object.fromEntries(kept), PATH: [join(root, 'usr/local/bin'), ...path].join(':') };
}

function copy({
  stage,
  stages,
  context,
  words,
}: Pick<Step, 'stage' | 'stages' | 'context'> & { words: string[] }): void {
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  const target = words.pop() ?? '';
  const destination = target.startsWith('/')
    ? join(stage.root, target)
    : join(stage.root, stage.config.workdir, target);
  const source = from ? stages.find(({ name }) => name === from)?.root : context;
  if (!source) throw new Error(`COPY --from=${from}: there is no such stage`);
  const wanted = from ? () => true : dockerignore(context);
  for (const word of words) {
    const path = join(source, word);
    if (!existsSync(path) || !wanted(relative(source, path)))
      throw new Error(`COPY ${word}: it is not in the build context`);
    const isFolder = statSync(path).isDirectory();
    const to = isFolder || !target.endsWith('/') ? destination : join(destination, basename(path));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (one) => one === path || wanted(relative(source, one)),
    });
  }
}

/** Whether a path is part of the build context: the last line that names it, or a folder above it, decides. */
function dockerignore(context: string): (path: string) => boolean {
  const lines = readFileSync(join(context, '.dockerignore'), 'utf8').split('\n');
  const rules = lines.map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));
  return (path) => {
    let kept = true;
    for (const rule of rules) {
      const name = rule.replace(/^!/, '');
      if (name !== '*' && /[*?[]/.test(name)) throw new Error(`.dockerignore: ${rule} is not known here`);
      if (name === '*' || path === name || path.startsWith(`${name}/`)) kept = rule.startsWith('!');
    }
    return kept;
  };
}
