// Times and ages. The hub's clock counts, not this machine's: an answer says as of when it is.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

let hubAt = Date.now();
let hereAt = performance.now();

/** The hub answered, and said what its clock shows. */
export function heard(asOf) {
  if (!asOf) return;
  hubAt = Date.parse(asOf);
  hereAt = performance.now();
}

/** Now, by the hub's clock, in milliseconds. */
export function now() {
  return hubAt + (performance.now() - hereAt);
}

/** The hub's clock at its last answer, in milliseconds. */
export function asOf() {
  return hubAt;
}

/** Seconds since a time. */
export function since(time) {
  return Math.max(0, (now() - Date.parse(time)) / 1000);
}

/** `3 s`, `4 min`, `2 h`, `5 d`. */
export function span(seconds) {
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** `3 s ago`; `never` where there is no time. */
export function ago(time) {
  return time ? `${span(since(time))} ago` : "never";
}

/** A text of the hub's with its times of day as this page tells them. */
export function told(text) {
  return text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, clock);
}

/** `14:03:09`, with the date if it is another day. */
export function clock(time) {
  const at = new Date(time);
  const day = at.toDateString() === new Date(now()).toDateString() ? "" : `${at.toLocaleDateString("sv")} `;
  return day + at.toLocaleTimeString("sv");
}

/** A moment as the hub reads it: a place in the log or a commit as it is, a time of day here as one of the world's. */
export function moment(text) {
  const said = text.trim().replace(/^#/, "");
  const at = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?$/.test(said) ? new Date(said.length === 10 ? `${said}T00:00` : said.replace(" ", "T")) : null;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : said;
}
