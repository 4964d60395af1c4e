// Drift: which field of which object is not as Git says, and whose hand it was.
export function drift() {
  return null;
}
