/** Whether this is `npm run test:soak`, which takes its time. */
export const isSoak = process.env.SOAK === '1';

/** How much of something a test takes: enough to show it in `npm test`, all of it in `npm run test:soak`. */
export const atScale = ({ quick, soak }: { quick: number; soak: number }): number => (isSoak ? soak : quick);
