/** Why a name is none that Kubernetes takes, as one types it; the API says the rest (reserved names, names taken). */
export function nameProblem(name: string, longest: number, { letterFirst = false } = {}): string | undefined {
  if (name.length > longest) return `At most ${longest} characters; this has ${name.length}.`;
  if (/[^a-z0-9-]/.test(name)) return 'Only a to z, 0 to 9 and -.';
  if (letterFirst && /^[^a-z]/.test(name)) return 'It begins with a letter.';
  if (/^-/.test(name)) return 'It begins with a letter or a digit.';
  if (/-$/.test(name)) return 'It ends with a letter or a digit.';
  return undefined;
}
