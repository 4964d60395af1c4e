// News: the hub's stream wakes the page; heartbeats are no news, and are asked for now and then.

const POLL_MS = 2000; // a person takes two seconds for "now"
const POLL_STREAM_MS = 5000; // with the stream, only ages are asked for
const POLL_SHARE = 15; // an answer that takes long is asked for less often: one part in so many of the hub's time
const POLL_MS_MAX = 30000;
const NEWS_MS = 200; // a commit is many events at once
const NEWS_SHARE = 4; // a large fleet that is all in motion is looked at as often as it can bear
const NEWS_MS_MAX = 5000;
const AGAIN_MS = 15000; // until a stream that was refused is tried again
const STREAM = "/api/v1/events/stream";
const NAMED_MAX = 20; // clusters that are asked for one by one; more come cheaper in one list
const WHOLE_MS = 30000; // with the stream, all clusters of a large fleet are asked for this often, for their ages
const ROWS = /\.log\.(cluster|deletions|fleet|group)\./; // events of the log by which a cluster's row may change

let look = async () => {};
let timer = 0;
let dueAt = 0;
let tookMs = 0;
let stream = null;
let isLooking = false;
let isAskedFor = false;
let changed = new Set();
let isWhole = true;
let wholeAt = -WHOLE_MS;

/** Call `refresh` whenever something may have changed. */
export function begin(refresh) {
  look = refresh;
  document.addEventListener("visibilitychange", () => !document.hidden && soon(0));
  soon(0);
}

/** Look again after so long, or when it was meant to be anyway, if that is sooner. */
export function soon(delay) {
  const due = performance.now() + delay;
  if (timer && dueAt <= due) return;
  clearTimeout(timer);
  dueAt = due;
  timer = setTimeout(once, delay);
}

/** The clusters that changed since this was asked last, by name; `null`: all may have. `isLarge`: so many that it matters. */
export function taken(isLarge) {
  const now = performance.now();
  const names = isWhole || !isLarge || !isOpen() || now - wholeAt > WHOLE_MS ? null : [...changed];
  if (names === null) wholeAt = now;
  changed = new Set();
  isWhole = false;
  return names;
}

/** What was taken was not looked at after all: look at every cluster. */
export function whole() {
  isWhole = true;
}

/** Something happened: look as soon as is good for the hub. */
export function news() {
  if (!document.hidden) soon(Math.min(Math.max(NEWS_MS, NEWS_SHARE * tookMs), NEWS_MS_MAX));
}

/** Follow the hub's stream, for a session that just began; `onStream(open)` when it comes or goes. */
export function follow(onStream) {
  unfollow();
  connect(onStream);
}

/** Follow it no longer. */
export function unfollow() {
  stream?.close();
  stream = null;
}

function isOpen() {
  return stream?.readyState === EventSource.OPEN;
}

async function once() {
  timer = 0;
  if (isLooking) {
    isAskedFor = true;
    return;
  }
  isLooking = true;
  isAskedFor = false;
  const begun = performance.now();
  try {
    await look();
  } finally {
    tookMs = performance.now() - begun;
    isLooking = false;
    if (isAskedFor) news();
    else if (!document.hidden) soon(Math.min(Math.max(isOpen() ? POLL_STREAM_MS : POLL_MS, POLL_SHARE * tookMs), POLL_MS_MAX));
  }
}

function note({ names, all }) {
  for (const name of names) changed.add(name);
  if (all || changed.size > NAMED_MAX) whole();
  news();
}

function connect(onStream) {
  const opened = new EventSource(STREAM);
  stream = opened;
  opened.onopen = () => {
    whole(); // what happened before it opened was not told
    onStream(true);
    news();
  };
  opened.addEventListener("clusters", ({ data }) => note(JSON.parse(data)));
  opened.addEventListener("log", ({ data }) => note({ names: [], all: ROWS.test(JSON.parse(data).subject) }));
  opened.addEventListener("reset", () => note({ names: [], all: true }));
  opened.onerror = () => {
    onStream(false);
    if (opened.readyState === EventSource.CLOSED && stream === opened) {
      setTimeout(() => stream === opened && connect(onStream), AGAIN_MS);
    }
  };
}
