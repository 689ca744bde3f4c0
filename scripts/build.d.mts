/** Brings src/generated and dist up to date; calls `progress` before each step that has work to do. */
export declare function build(progress?: (step: string) => void): Promise<void>;
