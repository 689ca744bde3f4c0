/** Why a check of a contract is no rule of DQDL, as the second half of a sentence. */
export class NotSayable extends Error {}
