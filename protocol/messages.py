"""The codecs of what passes between hub and agents, and of what both read from blobs."""

from protocol import bundles, desired, enrolment, plans, reports
from protocol.codec import Codec

STATE: Codec[desired.DesiredState] = Codec(desired.DesiredState)
SIGNED: Codec[desired.SignedDesired] = Codec(desired.SignedDesired)
DELETIONS: Codec[desired.Deletions] = Codec(desired.Deletions)
ROOT: Codec[bundles.ClusterRoot] = Codec(bundles.ClusterRoot)
INDEX: Codec[bundles.BundleIndex] = Codec(bundles.BundleIndex)
REPORT: Codec[reports.Report] = Codec(reports.Report)
BEAT: Codec[reports.Beat | reports.Standby] = Codec(reports.Beat | reports.Standby)
PLAN_REQUEST: Codec[plans.PlanRequest] = Codec(plans.PlanRequest)
SIGNED_PLAN_REQUEST: Codec[plans.SignedPlanRequest] = Codec(plans.SignedPlanRequest)
ENROL_REQUEST: Codec[enrolment.EnrolRequest] = Codec(enrolment.EnrolRequest)
ENROL_ANSWER: Codec[enrolment.EnrolAnswer] = Codec(enrolment.EnrolAnswer)
RENEW_REQUEST: Codec[enrolment.RenewRequest] = Codec(enrolment.RenewRequest)
SIGNED_RENEWAL: Codec[enrolment.SignedRenewal] = Codec(enrolment.SignedRenewal)
RENEW_ANSWER: Codec[enrolment.RenewAnswer] = Codec(enrolment.RenewAnswer)
RENEW_NOW: Codec[enrolment.RenewNow] = Codec(enrolment.RenewNow)
