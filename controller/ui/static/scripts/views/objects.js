// Objects with their health.
export function objects() {
  return null;
}
