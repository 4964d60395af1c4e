// What the page knows: the place it is at, what the hub said, who is signed in, and whether the hub answers.

export const store = {
  place: { path: [], query: {} },
  data: {},
  /** Why a part of the data is not there, by its name. */
  missing: {},
  session: null,
  /** `loading`, `connected`, or `silent`. */
  connection: "loading",
  silentSince: 0,
  live: false,
  notice: "",
};

/** The place that an address's hash names. */
export function placeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** May the session's holder change something? */
export function mayOperate() {
  return store.session !== null && store.session.scope !== "read";
}

/** The URL of a source; empty where it is not known. */
export function sourceUrl(name) {
  return store.data.sources?.items.find((one) => one.name === name)?.url ?? "";
}

/** The name of a cluster, by its account. */
export function clusterName(id) {
  return store.data.clusters?.items.find((one) => one.id === id)?.name ?? "";
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch (error) {
    if (error instanceof URIError) return word;
    throw error;
  }
}
