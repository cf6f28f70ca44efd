// A line of a log as people read it: many programs, Merlin's own runtime among them, write one JSON object a line.

export type Readable = { level: string; message: string; more: string; exception?: string };

/** Said of every line, or shown elsewhere. */
const KNOWN = new Set(['time', 'timestamp', 'level', 'logger', 'message', 'model', 'version', 'revision', 'exception']);
const FAILURE = 'MERLIN_FAILURE ';

/** What a JSON line says; undefined for any other text, which is read as it stands. */
export function readable(text: string): Readable | undefined {
  const isFailure = text.startsWith(FAILURE);
  const json = isFailure ? text.slice(FAILURE.length) : text;
  if (!json.startsWith('{')) return undefined;
  const fields = parsed(json) ?? beginning(json);
  if (typeof fields?.message !== 'string') return undefined;
  const { message, exception } = fields;
  const more = Object.entries(fields).filter(([name]) => !KNOWN.has(name) && !(isFailure && name === 'details'));
  return {
    level: isFailure ? 'error' : typeof fields.level === 'string' ? fields.level.toLowerCase() : '',
    message,
    more: more.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' '),
    exception: typeof exception === 'string' ? exception : undefined,
  };
}

function parsed(json: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Of a line whose end was cut off: the texts it begins with. What a program writes may look like JSON and be none. */
function beginning(json: string): Record<string, unknown> | undefined {
  const found: string[] = [];
  for (const name of ['level', 'message']) {
    const text = new RegExp(`"${name}": ?("(?:[^"\\\\]|\\\\.)*")`).exec(json)?.[1];
    if (text) found.push(`"${name}":${text}`);
  }
  return parsed(`{${found.join(',')}}`);
}

/** The same in one text. */
export function spoken(text: string): string {
  const line = readable(text);
  if (!line) return text;
  const level = line.level && line.level !== 'info' ? `${line.level}: ` : '';
  const whole = `${level}${line.message}${line.more && ` ${line.more}`}`;
  return line.exception ? `${whole}\n${line.exception}` : whole;
}
