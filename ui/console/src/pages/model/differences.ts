// What versions have in common and what not, key by key.
export type Value = string | number;
export type Row = { key: string; values: (Value | undefined)[]; differs: boolean };

/** One row for each key that any has; those that differ first, then by key. */
export function rowsOf(versions: Map<string, Value>[]): Row[] {
  const keys = [...new Set(versions.flatMap((each) => [...each.keys()]))].sort((a, b) => a.localeCompare(b, 'en'));
  const rows = keys.map((key) => {
    const values = versions.map((each) => each.get(key));
    return { key, values, differs: values.some((value) => value !== values[0]) };
  });
  return [...rows.filter((row) => row.differs), ...rows.filter((row) => !row.differs)];
}

/** The line that a row's values are drawn on. `cut`: it leaves out zero, from where all would look equally long. */
export type Line = { least: number; greatest: number; cut: boolean };

export function lineOf(row: (Value | undefined)[]): Line {
  const numbers = row.filter((each): each is number => typeof each === 'number');
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const [least, greatest] = [Math.min(0, low), Math.max(0, high)];
  if (high > low && (high - low) / (greatest - least) < SEEN) return { least: low, greatest: high, cut: true };
  return { least, greatest, cut: false };
}

/** The smallest part of a line that is seen as a difference between lengths. */
const SEEN = 0.05;

/** A value's stretch from zero, in percent of the line; on one that is cut, only where the value is. */
export function stretchOf(value: number, line: Line): { start: number; length: number; zero: number } {
  const { least, greatest, cut } = line;
  const percent = (size: number) => (greatest === least ? 0 : (size / (greatest - least)) * 100);
  if (cut) return { start: percent(value - least), length: 0, zero: 0 };
  return { start: percent(Math.min(0, value) - least), length: percent(Math.abs(value)), zero: percent(0 - least) };
}

/** `pandas==2.1` → [`pandas`, `==2.1`]. */
export function parseRequirement(text: string): [string, string] {
  const found = /^\s*([A-Za-z0-9._-]+(?:\[[^\]]*\])?)\s*(.*)$/.exec(text);
  return found ? [found[1]!.toLowerCase(), found[2]!.trim() || 'any'] : [text, ''];
}
