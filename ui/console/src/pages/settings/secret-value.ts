// What can be said of a value that nobody sees.
const MOST_BYTES = 64 * 1024;

export function valueProblem(value: string): string | undefined {
  const bytes = new TextEncoder().encode(value).length;
  if (bytes > MOST_BYTES)
    return `At most ${MOST_BYTES.toLocaleString('en')} bytes; this has ${bytes.toLocaleString('en')}.`;
  if (value.includes('\0')) return 'It becomes an environment variable, which cannot hold NUL.';
  return undefined;
}

/** How much was pasted; a line break at its end is a common slip. */
export function valueSize(value: string): string {
  if (value === '') return 'Typed or pasted, line breaks and all.';
  const characters = `${value.length.toLocaleString('en')} ${value.length === 1 ? 'character' : 'characters'}`;
  const lines = value.split('\n').length;
  const blank = (found: RegExpMatchArray | null) => (found?.[0].includes('\n') ? 'a line break' : found && 'a blank');
  const begins = blank(value.match(/^\s+/));
  const ends = blank(value.match(/\s+$/));
  const kept = [begins && `begins with ${begins}`, ends && `ends with ${ends}`].filter(Boolean).join(' and ');
  return [characters, lines > 1 && `${lines} lines`, kept && `${kept}, which is kept`].filter(Boolean).join(', ') + '.';
}
