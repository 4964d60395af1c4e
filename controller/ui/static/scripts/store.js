// What the page knows: the place it is at, what the hub said, who is signed in, and whether the hub answers.

export const store = {
  place: { path: [], query: {} },
  data: {},
  /** Why a part of the data is not there, by its name. */
  missing: {},
  /** The path that a part of the data was asked by, at this place. */
  told: {},
  session: null,
  /** `loading`, `connected`, or `silent`. */
  connection: "loading",
  silentSince: 0,
  live: false,
  notice: "",
};

let names = { of: null, byId: new Map() };

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

/** The name of a cluster, by its account; empty: it is not there any more. */
export function clusterName(id) {
  const { clusters } = store.data;
  if (clusters && names.of !== clusters) names = { of: clusters, byId: new Map(clusters.items.map((one) => [one.id, one.name])) };
  return names.byId.get(id) ?? "";
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch (error) {
    if (error instanceof URIError) return word;
    throw error;
  }
}
