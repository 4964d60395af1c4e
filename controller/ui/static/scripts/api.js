// The hub's HTTP API: every answer is remembered with its ETag, so that asking again costs little.

const PREFIX = "/api/v1/";
const TIMEOUT_MS = 20000; // a hub that answers later than this is as good as gone for a person who watches
const REMEMBERED_MAX = 200; // answers of one afternoon's clicking; the oldest is forgotten first
const TIMEOUT_PAST_MS = 35000; // the hub folds its log for it, for half a minute at most
const PAGES_MAX = 50; // of one list: fifty thousand clusters

const GATHERED_MAX = 20; // lists: each view has one or two

const remembered = new Map();
const gathered = new Map();
let csrf = "";

/** The hub said no; `message` is its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the hub answered ${status}`);
    this.status = status;
    this.title = problem.title || "";
  }
}

/** The hub said nothing. */
export class Silent extends Error {}

/** What requests that change something have to carry. */
export function useCsrf(token) {
  csrf = token;
}

/** Forget all answers: somebody else is signed in. */
export function forget() {
  remembered.clear();
  gathered.clear();
}

/** Is it asked for what was? That changes no more, and costs the hub a fold of its log. */
export function isPast(path) {
  return path.includes("/past?");
}

/** The answer to `GET /api/v1/PATH`. An unchanged answer is the same object as before. */
export async function get(path) {
  const known = remembered.get(path);
  const headers = known?.tag ? { "If-None-Match": known.tag } : {};
  const response = await ask(PREFIX + path, { headers, cache: "no-store" });
  if (response.status === 304 && known) return known.body;
  const body = await answer(response);
  remembered.delete(path);
  remembered.set(path, { tag: response.headers.get("ETag"), body });
  if (remembered.size > REMEMBERED_MAX) remembered.delete(remembered.keys().next().value);
  return body;
}

/** A list, page by page until its end. Where no page changed, it is the same object as before. */
export async function list(path) {
  const pages = [await get(path)];
  while (pages.at(-1).next && pages.length < PAGES_MAX) {
    pages.push(await get(`${path}${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(pages.at(-1).next)}`));
  }
  const known = gathered.get(path);
  if (known?.pages.length === pages.length && pages.every((page, place) => page === known.pages[place])) return known.list;
  const found = { ...pages[0], items: pages.flatMap((page) => page.items) };
  gathered.set(path, { pages, list: found });
  if (gathered.size > GATHERED_MAX) gathered.delete(gathered.keys().next().value);
  return found;
}

/** The list of clusters with these as they are now; `null`: one of them is not in it, or not there any more. */
export async function renewed(clusters, names) {
  const rows = new Map(clusters.items.map((row) => [row.name, row]));
  if (!names.every((name) => rows.has(name))) return null;
  try {
    const found = await Promise.all(names.map((name) => get(`clusters/${encodeURIComponent(name)}`)));
    for (const { cluster } of found) rows.set(cluster.name, cluster);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
  return { ...clusters, items: [...rows.values()] };
}

/** Change something. */
export async function post(path, body = {}) {
  return send("POST", PREFIX + path, body);
}

/** The page's own session; `null` where nobody is signed in. */
export async function session() {
  return (await answer(await ask("/ui/session", { cache: "no-store" }))).session;
}

/** Exchange a token, or the code of a sign-in link, for a session. */
export async function signIn(proof) {
  return (await send("POST", "/ui/session", proof)).session;
}

/** End the session. */
export async function signOut() {
  return send("DELETE", "/ui/session");
}

async function send(method, path, body) {
  const headers = { "Content-Type": "application/json", "X-Flotilla-CSRF": csrf, "X-Flotilla-User": "page" };
  return answer(await ask(path, { method, headers, body: body && JSON.stringify(body) }));
}

async function ask(path, options) {
  try {
    return await fetch(path, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(isPast(path) ? TIMEOUT_PAST_MS : TIMEOUT_MS) });
  } catch (error) {
    throw new Silent(error.message);
  }
}

async function answer(response) {
  if (response.status === 204) return null;
  let body;
  try {
    body = await response.json();
  } catch (error) {
    throw new Silent(`the hub answered ${response.status} with something else than JSON (${error.message})`);
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}
