// What the form holds: texts as they are typed, what is wrong with them so far, and the input that they make.
import type { DeployPageQuery, PlanDeploymentInput, SpecLinesFragment, Strategy } from '@/graphql/generated';

export type Draft = {
  cpuRequest: string;
  cpuLimit: string;
  memoryRequest: string;
  memoryLimit: string;
  minReplicas: string;
  maxReplicas: string;
  timeoutSeconds: string;
  deadlineSeconds: string;
  runtime: string;
  strategy: Strategy;
  autoscaling: { metric: 'CPU' | 'MEMORY'; targetPercent: string } | null;
  variables: { name: string; value: string }[];
  secrets: { secret: string; variable: string }[];
};

type Spec = Pick<
  SpecLinesFragment,
  | 'resources'
  | 'minReplicas'
  | 'maxReplicas'
  | 'timeoutSeconds'
  | 'deadlineSeconds'
  | 'runtime'
  | 'strategy'
  | 'autoscaling'
  | 'variables'
  | 'secrets'
>;
type Environment = DeployPageQuery['environments']['nodes'][number];
/** What the place allows. */
export type Allowed = {
  limits: Pick<Environment['limits'], 'maxCpu' | 'maxMemory' | 'maxReplicas'>;
  runtimes: Pick<Environment['runtimes'][number], 'name'>[];
  /** The project's secrets, by name. */
  secrets: string[];
};
export type Settings = Omit<PlanDeploymentInput, 'versionId' | 'environment'>;

// As merlin/domain has them (revision, names, quantity); the API judges anyway.
const MOST_REPLICAS = 1_000;
const MOST_TIMEOUT_SECONDS = 3_600;
const MOST_DEADLINE_SECONDS = 86_400;
const MOST_MILLICORES = 10_000_000;
const LEAST_BYTES = 4 * 2 ** 20;
const MOST_BYTES = 2 ** 50;
const MOST_VARIABLES = 200;
const MOST_VARIABLE_BYTES = 256 * 1024;
const LONGEST_VARIABLE = 128;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = ['MERLIN_', 'KUBERNETES_', 'KSERVE_'];
const RUNTIME_SETTING = /^MERLIN_RUNTIME_(?!HOST$)/;
export const LONGEST_COMMENT = 1_000;

export function draftOf(spec: Spec): Draft {
  const { resources, autoscaling } = spec;
  return {
    cpuRequest: resources.cpuRequest,
    cpuLimit: resources.cpuLimit ?? '',
    memoryRequest: resources.memoryRequest,
    memoryLimit: resources.memoryLimit ?? '',
    minReplicas: String(spec.minReplicas),
    maxReplicas: String(spec.maxReplicas),
    timeoutSeconds: String(spec.timeoutSeconds),
    deadlineSeconds: String(spec.deadlineSeconds),
    runtime: spec.runtime,
    strategy: spec.strategy,
    autoscaling: autoscaling && { metric: autoscaling.metric, targetPercent: String(autoscaling.targetPercent) },
    variables: spec.variables.map(({ name, value }) => ({ name, value: value ?? '' })),
    secrets: spec.secrets.map(({ secret, variable }) => ({ secret, variable })),
  };
}

/** What one sees in the form, and which fields and rows of it one typed oneself, whatever they say by now. */
export type Typed = { draft: Draft; touched: ReadonlySet<string> };

const NAMES = { variables: 'name', secrets: 'variable' } as const;
type Rows = keyof typeof NAMES;
const ROWS = Object.keys(NAMES) as Rows[];

/** The names of its fields, and of its rows (`variables.COLOUR`), with what they say. */
function cells(draft: Draft): Map<string, string> {
  const said = new Map<string, string>();
  for (const [field, value] of Object.entries(draft)) if (!(field in NAMES)) said.set(field, JSON.stringify(value));
  for (const rows of ROWS)
    for (const row of draft[rows]) said.set(cell(rows, row), (said.get(cell(rows, row)) ?? '') + JSON.stringify(row));
  return said;
}

const cell = (rows: Rows, row: Draft[Rows][number]) => `${rows}.${(row as Record<string, string>)[NAMES[rows]]}`;

/** Something is typed into a form that began with `base`: touched is what changes, until it is set back. */
export function changed({ draft, touched }: Typed, changes: Partial<Draft>, base: Draft): Typed {
  const next = { ...draft, ...changes };
  const [was, is, began] = [cells(draft), cells(next), cells(base)];
  const mine = new Set(touched);
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    if (was.get(name) === is.get(name)) continue;
    if (is.get(name) === began.get(name)) mine.delete(name);
    else mine.add(name);
  }
  return { draft: next, touched: mine };
}

/** The same on another base: what one touched stays as it was typed, all else follows, row by row. */
export function rebased({ draft, touched }: Typed, base: Draft): Typed {
  const typed = Object.fromEntries(Object.entries(draft).filter(([field]) => touched.has(field)));
  const follow = <Row extends Draft[Rows][number]>(rows: Rows, mine: Row[], theirs: Row[]) => {
    const name = (row: Row) => cell(rows, row);
    const kept = mine.flatMap((row) =>
      touched.has(name(row)) ? row : theirs.filter((each) => name(each) === name(row)),
    );
    const known = new Set([...touched, ...mine.map(name)]);
    return [...kept, ...theirs.filter((row) => !known.has(name(row)))];
  };
  const variables = follow('variables', draft.variables, base.variables);
  const secrets = follow('secrets', draft.secrets, base.secrets);
  return { draft: { ...base, ...typed, variables, secrets }, touched };
}

/** Thousandths of a core; undefined when it is no amount. */
export function cores(text: string): number | undefined {
  const found = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(text.trim());
  return found ? exact(found[1] ?? '', found[2] ? 1 : 1_000, MOST_MILLICORES) : undefined;
}

const FACTORS: Record<string, number> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

export function bytes(text: string): number | undefined {
  const found = /^(\d{1,18}(?:\.\d{1,9})?)(|k|M|G|T|Ki|Mi|Gi|Ti)$/.exec(text.trim());
  return found ? exact(found[1] ?? '', FACTORS[found[2] ?? ''] ?? 1, MOST_BYTES) : undefined;
}

/** A decimal times a whole factor, when that is whole too and within bounds; as exact as the API's own sum. */
function exact(decimal: string, factor: number, most: number): number | undefined {
  const [whole = '', part = ''] = decimal.split('.');
  const scaled = BigInt(whole + part) * BigInt(factor);
  const unit = 10n ** BigInt(part.length);
  const amount = Number(scaled / unit);
  return scaled % unit === 0n && amount > 0 && amount <= most ? amount : undefined;
}

/** What is wrong so far, by the path that the API would name. */
export function wrongs(draft: Draft, allowed: Allowed): Record<string, string> {
  const { limits } = allowed;
  const found: Record<string, string> = {};
  const tell = (path: string, problem: string | undefined) => {
    if (problem !== undefined) found[path] ??= problem;
  };
  checkAmounts(draft, limits, tell);
  tell('minReplicas', whole(draft.minReplicas, MOST_REPLICAS));
  tell('maxReplicas', whole(draft.maxReplicas, limits.maxReplicas ?? MOST_REPLICAS));
  if (Number(draft.minReplicas) > Number(draft.maxReplicas))
    tell('minReplicas', `Above “At most”, which is ${draft.maxReplicas.trim()}.`);
  tell('timeoutSeconds', whole(draft.timeoutSeconds, MOST_TIMEOUT_SECONDS));
  tell('deadlineSeconds', whole(draft.deadlineSeconds, MOST_DEADLINE_SECONDS));
  if (draft.autoscaling) tell('autoscaling.targetPercent', whole(draft.autoscaling.targetPercent, 100));
  if (!allowed.runtimes.some(({ name }) => name === draft.runtime))
    tell('runtime', `There is no runtime ${draft.runtime} here; choose another.`);
  checkVariables(draft, allowed.secrets, tell);
  return found;
}

/** How long it is, as it would be sent. */
export const lengthOf = (comment: string): number => [...comment.trim()].length;

export function commentProblem(comment: string): string | undefined {
  const length = lengthOf(comment);
  if (length <= LONGEST_COMMENT) return undefined;
  return `At most ${LONGEST_COMMENT.toLocaleString('en')} characters; this has ${length.toLocaleString('en')}.`;
}

type Tell = (path: string, problem: string | undefined) => void;

function checkAmounts(draft: Draft, limits: Allowed['limits'], tell: Tell): void {
  const kinds = [
    { of: 'cpu', read: cores, most: limits.maxCpu, least: 0, like: 'Cores (2, 0.5) or thousandths (500m).' },
    { of: 'memory', read: bytes, most: limits.maxMemory, least: LEAST_BYTES, like: 'As 512Mi, 1Gi or 1.5G.' },
  ] as const;
  for (const { of, read, most, least, like } of kinds) {
    const request = draft[`${of}Request`];
    const limit = draft[`${of}Limit`];
    const atMost = most === null ? undefined : read(most);
    const amount = (text: string) => {
      const size = read(text);
      if (size === undefined) return like;
      if (size < least) return /\d$/.test(text.trim()) ? `A unit is needed. ${like}` : 'At least 4Mi.';
      return atMost !== undefined && size > atMost ? `At most ${most} here.` : undefined;
    };
    tell(`resources.${of}Request`, amount(request));
    if (limit.trim() === '') continue;
    tell(`resources.${of}Limit`, amount(limit));
    if ((read(request) ?? 0) > (read(limit) ?? Infinity)) tell(`resources.${of}Request`, `Above its limit ${limit}.`);
  }
}

function whole(text: string, most: number): string | undefined {
  const number = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  return number >= 1 && number <= most ? undefined : `A whole number from 1 to ${most.toLocaleString('en')}.`;
}

function checkVariables(draft: Draft, known: string[], tell: Tell): void {
  const { variables, secrets } = draft;
  const seen = new Set<string>();
  const name = (path: string, text: string) => {
    tell(path, nameProblem(text) ?? (seen.has(text) ? 'Given twice.' : undefined));
    seen.add(text);
  };
  variables.forEach((each, index) => {
    name(`variables.${index}.name`, each.name);
    if (each.value.includes('\0')) tell(`variables.${index}.value`, 'A value cannot hold a NUL.');
  });
  secrets.forEach((each, index) => {
    name(`secrets.${index}.variable`, each.variable);
    if (each.secret === '') tell(`secrets.${index}.secret`, 'Choose one.');
    else if (!known.includes(each.secret)) tell(`secrets.${index}.secret`, 'The project has no such secret now.');
  });
  const count = variables.length + secrets.length;
  if (count > MOST_VARIABLES) tell('variables', `At most ${MOST_VARIABLES} with the secrets; these are ${count}.`);
  const size = new TextEncoder().encode(variables.map((each) => each.value).join('')).length;
  if (size > MOST_VARIABLE_BYTES) tell('variables', `At most 256 KiB of values; these are ${Math.ceil(size / 1024)}.`);
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'A name is needed.';
  if (name.length > LONGEST_VARIABLE) return `At most ${LONGEST_VARIABLE} characters; this has ${name.length}.`;
  if (!VARIABLE.test(name)) return 'Letters, digits and _, not beginning with a digit.';
  const reserved = RESERVED.find((prefix) => name.toUpperCase().startsWith(prefix));
  if (reserved === undefined || RUNTIME_SETTING.test(name)) return undefined;
  return `${name} is reserved: ${reserved}… is the platform's.`;
}

/** The input that makes `base` what the draft says: only what differs, so that all else keeps what it is. */
export function settingsOf(draft: Draft, base: Spec): Settings {
  const before = draftOf(base);
  const differs = (field: keyof Draft) => JSON.stringify(draft[field]) !== JSON.stringify(before[field]);
  const settings: Settings = {};
  const clear: NonNullable<Settings['clear']> = [];

  const resources: NonNullable<Settings['resources']> = {};
  for (const field of ['cpuRequest', 'memoryRequest', 'cpuLimit', 'memoryLimit'] as const) {
    if (!differs(field)) continue;
    if (draft[field].trim() !== '') resources[field] = draft[field].trim();
    else if (field === 'cpuLimit') clear.push('CPU_LIMIT');
    else if (field === 'memoryLimit') clear.push('MEMORY_LIMIT');
  }
  if (Object.keys(resources).length > 0) settings.resources = resources;
  for (const field of ['minReplicas', 'maxReplicas', 'timeoutSeconds', 'deadlineSeconds'] as const)
    if (differs(field)) settings[field] = Number(draft[field]);
  if (differs('runtime')) settings.runtime = draft.runtime;
  if (differs('strategy')) settings.strategy = draft.strategy;
  if (differs('autoscaling')) {
    const { autoscaling } = draft;
    if (autoscaling === null) clear.push('AUTOSCALING');
    else settings.autoscaling = { metric: autoscaling.metric, targetPercent: Number(autoscaling.targetPercent) };
  }
  if (differs('variables')) {
    if (draft.variables.length === 0) clear.push('VARIABLES');
    else settings.variables = draft.variables;
  }
  if (differs('secrets')) {
    if (draft.secrets.length === 0) clear.push('SECRETS');
    else settings.secrets = draft.secrets;
  }
  if (clear.length > 0) settings.clear = clear;
  return settings;
}
