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

let look = async () => {};
let timer = 0;
let dueAt = 0;
let tookMs = 0;
let stream = null;
let isLooking = false;
let isAskedFor = false;

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

function connect(onStream) {
  const opened = new EventSource(STREAM);
  stream = opened;
  opened.onopen = () => onStream(true);
  for (const kind of ["log", "clusters", "reset"]) opened.addEventListener(kind, news);
  opened.onerror = () => {
    onStream(false);
    if (opened.readyState === EventSource.CLOSED && stream === opened) {
      setTimeout(() => stream === opened && connect(onStream), AGAIN_MS);
    }
  };
}
