// A consumer of Meshgate's events that ends in the same state whatever comes twice, late or in another order: EventBridge and the queues behind
// it deliver at least once and keep no order. It needs nothing but this file. `detail` is what EventBridge carries (docs/events).

/** Opens an empty state: each subject by its id, with what is known of it. */
export function openMeshState() {
  const subjects = new Map();
  return {
    /** Takes one event; says whether it told anything new. */
    take({ sequence, subject, data }) {
      const at = BigInt(sequence);
      const known = subjects.get(subject.id) ?? { subject, fields: new Map() };
      subjects.set(subject.id, known);
      let news = false;
      // An event says what changed, not all there is: each field keeps the newest value that was told of it, by the event's number.
      for (const [field, value] of Object.entries(data.after ?? {})) {
        const told = known.fields.get(field);
        if (told !== undefined && told.at >= at) continue;
        known.fields.set(field, { at, value });
        news = true;
      }
      return news;
    },
    /** What is known now: subjects in the order of their ids, each with its fields. */
    state() {
      const sorted = [...subjects].sort(([one], [other]) => (one < other ? -1 : 1));
      return sorted.map(([id, { subject, fields }]) => {
        const values = [...fields]
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([field, { value }]) => [field, value]);
        return { id, type: subject.type, ...Object.fromEntries(values) };
      });
    },
  };
}
