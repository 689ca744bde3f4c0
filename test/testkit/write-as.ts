import type { Pool } from 'pg';

/** Who writes in a transaction; null: nobody said so. `meshgate` is Meshgate itself, `admin` a platform admin, others a person by his subject. */
export type Writer = string | null;

/** Runs SQL as the server does for somebody whom no rule of governance has judged, and takes it back. Answers how many rows it wrote, or the refusal. */
export async function writeAs(
  pool: Pool,
  who: Writer,
  [sql, values = []]: [string, unknown[]?],
): Promise<number | string> {
  const client = await pool.connect();
  const authority = who === 'meshgate' ? 'SYSTEM' : who === 'admin' ? 'ADMIN' : 'MEMBER';
  try {
    await client.query('BEGIN');
    if (who !== null)
      await client.query(
        `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`,
        [who, authority],
      );
    return (await client.query(sql, values)).rowCount ?? 0;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    if (code !== '42501') throw error;
    return message;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}
