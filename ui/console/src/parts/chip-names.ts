// What labels and aliases may be called, as one types them (merlin/domain/names.py); the API judges again.
const LONGEST = 63;
const LONGEST_VALUE = 255;
const KEY = /^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;
const ALIAS = /^[A-Za-z]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
// No controls, and no space but the plain one.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** Why the API would refuse it; `unfinished` when the next letter may mend it. */
export type NameProblem = { wrong: string; unfinished?: boolean };

export function aliasProblem(name: string): NameProblem | undefined {
  const rule = 'An alias begins with a letter; it has letters, digits, -, _ and . in it, and no sign at its end.';
  if (name === '') return { wrong: rule, unfinished: true };
  if (/^v\d+$/i.test(name) || name.toLowerCase() === 'latest')
    return { wrong: `@${name} would be mistaken for a version.` };
  return tooLong('An alias', name, LONGEST) ?? unlike(ALIAS, name, rule);
}

export function labelProblem(key: string, value: string): NameProblem | undefined {
  const rule = 'A label’s key has letters, digits, -, _, . and / in it, and no sign at its ends.';
  if (key === '') return { wrong: rule, unfinished: true };
  if (/^(merlin|mlflow)\./.test(key)) return { wrong: 'Keys that begin with merlin. or mlflow. are taken.' };
  if (UNPRINTABLE.test(value)) return { wrong: 'A label’s value is plain text on one line.' };
  return (
    tooLong('A label’s key', key, LONGEST) ?? tooLong('A label’s value', value, LONGEST_VALUE) ?? unlike(KEY, key, rule)
  );
}

function tooLong(what: string, text: string, longest: number): NameProblem | undefined {
  const length = [...text].length;
  return length > longest ? { wrong: `${what} has at most ${longest} characters; this one has ${length}.` } : undefined;
}

function unlike(pattern: RegExp, text: string, rule: string): NameProblem | undefined {
  return pattern.test(text) ? undefined : { wrong: rule, unfinished: pattern.test(`${text}x`) };
}
