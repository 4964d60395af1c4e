// The words for how things stand, each with a letter and a shape: nothing is told by colour alone.

/** States in the order in which a person wants to see them. */
export const STATES = {
  degraded: { label: "Degraded", letter: "D", says: "Something that it should have does not work" },
  outofsync: { label: "Out of sync", letter: "O", says: "It does not hold what Git says" },
  progressing: { label: "Progressing", letter: "P", says: "It holds what Git says, and is not ready yet" },
  unknown: { label: "Unknown", letter: "U", says: "Nobody hears from it" },
  suspended: { label: "Suspended", letter: "S", says: "It is given nothing new" },
  ready: { label: "Ready", letter: "R", says: "It holds what Git says, and works" },
};

/** The state of a cluster: silence before all else, for what was heard long ago says nothing about now. */
export function clusterState(row) {
  if (row.connection !== "Online" || row.health === "Unknown") return "unknown";
  if (row.health === "Degraded" || row.health === "Missing") return "degraded";
  if (row.suspended) return "suspended";
  if (row.sync !== "Synced") return "outofsync";
  return row.health === "Progressing" ? "progressing" : "ready";
}

const HEALTH = {
  Healthy: "ready",
  Progressing: "progressing",
  Degraded: "degraded",
  Missing: "degraded",
  Suspended: "suspended",
  Unknown: "unknown",
};

/** The state that one health word is drawn with. */
export function healthState(word) {
  return HEALTH[word] ?? "unknown";
}

/** The state that one sync word is drawn with. */
export function syncState(word) {
  return { Synced: "ready", OutOfSync: "outofsync" }[word] ?? "unknown";
}

/** The state that a bundle on a cluster is drawn with. */
export function bundleState(word) {
  return { Ready: "ready", Progressing: "progressing", Failed: "degraded", Waiting: "outofsync" }[word] ?? "unknown";
}

/** The state that a hook of a bundle is drawn with. */
export function hookState(word) {
  return { Succeeded: "ready", Running: "progressing", Waiting: "progressing", Failed: "degraded" }[word] ?? "unknown";
}

/** The state that a source is drawn with. */
export function sourceState(word) {
  return (
    { Resolved: "ready", Degraded: "degraded", Failing: "degraded", Waiting: "outofsync", Pending: "progressing", Suspended: "suspended" }[word] ?? "unknown"
  );
}

/** The state that a rollout's phase, or one of its stages, is drawn with. */
export function phaseState(word) {
  return (
    { waiting: "waiting", running: "progressing", started: "progressing", completed: "ready", halted: "degraded", aborted: "suspended", paused: "suspended" }[word] ?? "unknown"
  );
}

/** The state that a decision about deletions is drawn with. */
export function decisionState(word) {
  return { held: "outofsync", approved: "ready", rejected: "suspended", free: "progressing" }[word] ?? "unknown";
}

/** `1 cluster`, `2 clusters`. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A commit, a digest or a key, short enough to be read aloud. */
export function short(text, length = 12) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A text whose commits and digests are short enough to be read aloud. */
export function digestsCut(text) {
  return text.replaceAll(/\b([0-9a-f]{10})[0-9a-f]{30,54}\b/g, "$1…");
}

/** What is wrong, where there is room for a few words: without the bundle and the kind that stand before it. */
export function gist(reason) {
  return reason.replace(/^\S+\/\S+: (?:[A-Z][\w.]* (?=\S+: ))?/, "");
}

/** `generation 41 of 43`, with the epochs where they differ. */
export function generation(row) {
  const epoch = row.epoch !== row.desiredEpoch ? ` (epoch ${row.epoch} of ${row.desiredEpoch})` : "";
  return `${row.generation} of ${row.desiredGeneration}${epoch}`;
}
