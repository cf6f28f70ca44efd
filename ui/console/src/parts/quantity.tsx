// Numbers with their units, in the digits that matter.

/**
 * 0.97321 → "0.9732"; 1234567 → "1,234,567"; what is no number as the text it came as. What is no integer is never shown
 * as one: 0.99996 → "0.99996". `more`: digits beyond the usual.
 */
export function figure(value: number | null | undefined, text = '–', more = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return text;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString('en');
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(3 + more);
  return value.toLocaleString('en', { maximumSignificantDigits: digitsOf(value, more) });
}

/** They tell any two numbers apart. */
const MOST_DIGITS = 17;
const usualDigits = (value: number) => (Math.abs(value) >= 1_000 ? 7 : 4);

function digitsOf(value: number, more: number): number {
  let digits = usualDigits(value) + more;
  while (digits < MOST_DIGITS && Number.isInteger(Number(value.toPrecision(digits)))) digits++;
  return digits;
}

/** How many digits beyond the usual it takes until unequal values read unequal, and all are told equally exactly. */
export function moreDigitsFor(values: (number | null | undefined)[]): number {
  const unequal = [...new Set(values)].filter((each) => typeof each === 'number' && Number.isFinite(each)) as number[];
  const written = unequal.filter((each) => !Number.isInteger(each) && Math.abs(each) >= 1e-4 && Math.abs(each) < 1e9);
  let more = Math.max(0, ...written.map((each) => digitsOf(each, 0) - usualDigits(each)));
  while (more < MOST_DIGITS - 4 && new Set(unequal.map((each) => figure(each, '–', more))).size < unequal.length)
    more++;
  return more;
}

/** Kubernetes' amounts as people say them: 500m → "0.5 CPU", 512Mi → "512 MiB". */
export function cpu(amount: string | null | undefined): string {
  if (!amount) return 'no limit';
  const cores = amount.endsWith('m') ? Number(amount.slice(0, -1)) / 1_000 : Number(amount);
  return Number.isFinite(cores) ? `${figure(cores)} CPU` : amount;
}

export function memory(amount: string | null | undefined): string {
  if (!amount) return 'no limit';
  const found = /^([\d.]+)([KMGTP])(i?)$/.exec(amount);
  return found ? `${found[1]} ${found[2]}${found[3]}B` : amount;
}

export function seconds(amount: number): string {
  if (amount < 120) return `${amount} s`;
  return amount % 60 === 0 ? `${amount / 60} min` : `${Math.floor(amount / 60)} min ${amount % 60} s`;
}

/** How many digits stand behind the point; undefined for what is not written with one place after the other. */
export function decimalsOf(shown: string): number | undefined {
  const found = /^-?[\d,]+(?:\.(\d+))?$/.exec(shown);
  return found ? (found[1]?.length ?? 0) : undefined;
}

/**
 * `decimals`: the most that its column has; unseen digits make up for those it lacks, so that the points align.
 * `more`: digits beyond the usual.
 */
export function Figure(props: { value: number | null | undefined; text?: string; decimals?: number; more?: number }) {
  const { value } = props;
  const shown = figure(value, props.text, props.more);
  const own = decimalsOf(shown);
  const lacking = own === undefined ? 0 : (props.decimals ?? 0) - own;
  return (
    <span className="numbers" title={value === null || value === undefined ? undefined : String(value)}>
      {shown}
      {lacking > 0 && (
        <span style={{ visibility: 'hidden' }} aria-hidden>
          {own === 0 && '.'}
          {'0'.repeat(lacking)}
        </span>
      )}
    </span>
  );
}
