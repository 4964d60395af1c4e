// Events as sentences: what a person would say of each.

import { parsed } from "./links.js";
import { clusterName } from "./store.js";
import { count, short } from "./words.js";

const SENTENCES = {
  HubInitialized: () => "The hub began its log",
  HubRecovered: (e) => `The hub was taken back into service, in epoch ${e.epoch}`,
  RecoveryEntered: (e) => `The hub went into recovery: ${e.reason}`,
  SourceDeclared: (e) => `Source ${e.name} was declared`,
  SourceSuspended: (e) => `Source ${e.name} was suspended: ${e.reason}`,
  SourceResumed: (e) => `Source ${e.name} was resumed`,
  SourceRemoved: (e) => `Source ${e.name} was removed${e.prune ? ", with what it deployed" : ""}`,
  RevisionResolved: (e) => `${e.name} resolved to ${short(e.revision.commit, 10)}: ${count(e.bundles, "bundle")}, ${count(e.objects, "object")}`,
  ResolveFailed: (e) => `${e.name} could not be resolved: ${e.reason}`,
  ResolveRecovered: (e) => `${e.name} answers again`,
  RollbackSeen: (e) => `${e.name} moved to ${short(e.commit, 10)}, which is not forward`,
  HistoryAccepted: (e) => `An unrelated history of ${e.name} was accepted, from ${short(e.commit, 10)} on`,
  RolloutStarted: (e) => `Rollout of ${e.source} started: ${short(parsed(e.revision).commit, 10)}`,
  StagePlanned: (e) => `Stage ${e.stage.name} was planned: ${count(e.stage.clusters.length, "cluster")}`,
  StageStarted: (e) => `Stage ${e.stage} of ${e.source} started`,
  StageCompleted: (e) => `Stage ${e.stage} of ${e.source} is complete`,
  ClustersAdmitted: (e) => `${named(e.clusters)} got the revision in stage ${e.stage}`,
  ClustersDeferred: (e) => `${named(e.clusters)} offline in stage ${e.stage}: deferred`,
  ClustersSettled: settled,
  RolloutHalted: (e) => `Rollout of ${e.source} halted: ${e.reason}`,
  RolloutPaused: (e) => `Rollout of ${e.source} was paused`,
  RolloutResumed: (e) => `Rollout of ${e.source} was resumed`,
  RolloutRetried: (e) => `Rollout of ${e.source} tries its failed clusters again`,
  RolloutAborted: (e) => `Rollout of ${e.source} was aborted`,
  RolloutCompleted: (e) => `Rollout of ${e.source} is complete`,
  DeletionsPlanned: (e) => `Deletions of ${e.source} were planned${e.held.length ? `, and are held: ${e.held.join("; ")}` : ""}`,
  DeletionsApproved: (e) => `Deletions ${e.set} were approved`,
  DeletionsRejected: (e) => `Deletions ${e.set} were rejected: the objects stay`,
  DebtsOpened: (e) => `${count(e.debts.length, "object")} left Git: to be deleted`,
  DebtsClosed: (e) => `${count(e.debts.length, "deletion")} ended: ${endings(e.debts)}`,
  ClusterAdded: (e) => `Cluster ${e.name} was added`,
  ClusterIdentified: (e) => `${named([e.cluster])} said hello for the first time`,
  ClusterVersionChanged: (e) => `${named([e.cluster])} runs Kubernetes ${e.kubernetesVersion}`,
  ClusterLabelled: (e) => `${named([e.cluster])} got new labels`,
  ClusterDescribed: (e) => `${named([e.cluster])} got new annotations or values`,
  ClusterUidRefused: (e) => `Another cluster spoke with the credentials of ${named([e.cluster])}`,
  DesiredRefused: (e) => `The agent of ${named([e.cluster])} refused generation ${e.generation}: ${e.refusal}`,
  ClusterSuspended: (e) => `${named([e.cluster])} was suspended: ${e.reason}`,
  ClusterResumed: (e) => `${named([e.cluster])} was resumed`,
  EnrolmentOffered: (e) => `A one-use token was made for the agent of ${named([e.cluster])}`,
  EnrolmentRequested: (e) => `An agent asks to be let in as ${named([e.cluster])}`,
  EnrolmentExpired: (e) => `Nobody used the token for the agent of ${named([e.cluster])} in time`,
  EnrolmentRefused: (e) => `An agent was refused as ${named([e.cluster])}`,
  AgentEnrolled: (e) => `The agent of ${named([e.cluster])} was let in`,
  AgentReadmitted: (e) => `The agent of ${named([e.cluster])} was taken back as it is`,
  AgentKeyRotated: (e) => `The agent of ${named([e.cluster])} has a new key`,
  RotationAsked: (e) => `The agent of ${named([e.cluster])} was asked for a new key`,
  CredentialsIssued: (e) => `Credentials were issued for ${named([e.cluster])}`,
  CredentialsRevoked: (e) => `The credentials of ${named([e.cluster])} were revoked`,
  TokenIssued: (e) => `Token ${e.name} was issued, to ${e.scope}`,
  TokenRevoked: (e) => `Token ${e.name} was revoked: ${e.reason}`,
  TokenExpired: (e) => `Token ${e.name} is past its end`,
  GroupDeclared: (e) => `Group ${e.name} was declared`,
  GroupSuspended: (e) => `Group ${e.name} was suspended: ${e.reason}`,
  GroupRemoved: (e) => `Group ${e.name} was removed`,
  PolicyDeclared: (e) => `Rollout policy ${e.name} was declared`,
  PolicySuspended: (e) => `Rollout policy ${e.name} was suspended: ${e.reason}`,
  PolicyRemoved: (e) => `Rollout policy ${e.name} was removed`,
  ClusterRemoved: (e) => `${named([e.cluster])} was removed`,
};

/** What an event says, in one sentence; for one that this page does not know, its type in words. */
export function sentence({ type, event }) {
  return SENTENCES[type]?.(event) ?? plain(type, event);
}

/** The source that an event is about; empty: it is about something else. */
export function sourceOf({ subject, event }) {
  return event.source ?? (/\.log\.source\./.test(subject) ? event.name : "") ?? "";
}

/** The accounts of the clusters that an event names. */
export function clustersOf({ event }) {
  const settled = [...(event.succeeded ?? []), ...(event.failed ?? []).map((one) => one.cluster), ...(event.withdrawn ?? [])];
  const members = [...(event.members ?? []).flatMap((one) => one.clusters), ...(event.debts ?? []).map((one) => one.cluster)];
  return [...new Set([event.cluster, ...(event.clusters ?? []), ...(event.stage?.clusters ?? []), ...settled, ...members])].filter(Boolean);
}

function plain(type, event) {
  const words = type.replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  const about = event.name ?? (event.cluster ? named([event.cluster]) : "");
  return `${words[0].toUpperCase()}${words.slice(1)}${about ? `: ${about}` : ""}`;
}

function settled(event) {
  const parts = [
    [event.succeeded, "done"],
    [event.failed?.map((one) => one.cluster), "failed"],
    [event.withdrawn, "withdrawn"],
  ];
  return parts.filter(([ids]) => ids?.length).map(([ids, word]) => `${named(ids)} ${word}`).join("; ");
}

function named(ids) {
  if (ids.length > 3) return count(ids.length, "cluster");
  return ids.map((id) => clusterName(id) || short(id, 8)).join(", ");
}

function endings(debts) {
  const counts = Map.groupBy(debts, (one) => one.ending);
  return [...counts].map(([ending, members]) => `${members.length} ${ending}`).join(", ");
}
