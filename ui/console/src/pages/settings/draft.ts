// What is typed and not saved. It lies over what the project is, so that others' changes are seen beside it and none
// of either is lost.
type Label = { key: string; value: string };
export type Field = 'description' | 'team' | 'stream';
type Texts = Record<Field, string>;

export type Draft = {
  /** What a field was when it was first changed, and what it is to be. */
  texts: Partial<Record<Field, { was: string; is: string }>>;
  /** By key what a label is to be; null = removed. */
  labels: Record<string, string | null>;
};

export const nothing: Draft = { texts: {}, labels: {} };

/** Typing what is there already is no change. */
export function typed(draft: Draft, now: Texts, field: Field, is: string): Draft {
  const { [field]: before, ...others } = draft.texts;
  return {
    ...draft,
    texts: is === now[field] ? others : { ...others, [field]: { was: before?.was ?? now[field], is } },
  };
}

export function labelled(draft: Draft, now: Label[], key: string, value: string | null): Draft {
  const { [key]: _, ...others } = draft.labels;
  const there = now.find((label) => label.key === key)?.value ?? null;
  return { ...draft, labels: value === there ? others : { ...others, [key]: value } };
}

/** Only one's own changes, on these labels. */
export function onLabels(draft: Draft, now: Label[]): Label[] {
  const all = new Map<string, string | null>(now.map(({ key, value }) => [key, value]));
  for (const [key, value] of Object.entries(draft.labels)) all.set(key, value);
  return [...all]
    .flatMap(([key, value]) => (value === null ? [] : [{ key, value }]))
    .sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** What is left to save once `sent` is saved: what was typed meanwhile. */
export function without(draft: Draft, sent: Draft): Draft {
  const texts = Object.entries(draft.texts)
    .filter(([field, text]) => sent.texts[field as Field]?.is !== text.is)
    .map(([field, text]) => [field, { is: text.is, was: sent.texts[field as Field]?.is ?? text.was }]);
  const labels = Object.entries(draft.labels).filter(([key, value]) => sent.labels[key] !== value);
  return { texts: Object.fromEntries(texts) as Draft['texts'], labels: Object.fromEntries(labels) };
}

/** What somebody else has made of a field since it was first changed here. */
export function meanwhile(draft: Draft, now: Texts, field: Field): string | undefined {
  const text = draft.texts[field];
  return text && text.was !== now[field] && text.is !== now[field] ? now[field] : undefined;
}

export function changes(draft: Draft, now: Texts & { labels: Label[] }): boolean {
  const texts = Object.entries(draft.texts).some(([field, { is }]) => is !== now[field as Field]);
  const there = new Map(now.labels.map(({ key, value }) => [key, value]));
  return texts || Object.entries(draft.labels).some(([key, value]) => value !== (there.get(key) ?? null));
}
