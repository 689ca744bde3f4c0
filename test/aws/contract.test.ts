import { sandboxOfTest } from '../sandbox/testkit.js';
import { testContract } from './contract.js';
import { awsOver, callsOf, drift } from './testkit.js';

const sandbox = await sandboxOfTest({ ramSharing: true });

testContract({
  aws: awsOver(sandbox),
  callsOf: (work) => callsOf(sandbox, work),
  meddle: (account, calls) => drift(sandbox, account, ...calls),
});
