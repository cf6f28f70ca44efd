/** Any JSON as a person reads it: texts and numbers bare, the rest as JSON. */
export function value(of: unknown): string {
  if (typeof of === 'string') return of === '' ? '""' : of;
  if (typeof of === 'object' && of !== null) return JSON.stringify(of, null, 1);
  return String(of);
}
