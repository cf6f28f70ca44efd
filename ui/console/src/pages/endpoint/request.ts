// A V2 request as text, and one row of it as fields of a form. The text holds the truth; the form reads and writes it.

type Input = { name: string; datatype: string; shape: number[]; data: unknown[] };
export type Request = { inputs: Input[] };

export type Field = {
  /** Its place among the request's values. */
  key: string;
  input: number;
  place: number;
  label: string;
  datatype: string;
  isNumber: boolean;
  value: unknown;
};

/** More are easier written as JSON. */
const MOST_FIELDS = 60;

export function parse(text: string): { request: unknown } | { wrong: string } {
  try {
    const request: unknown = JSON.parse(text);
    return typeof request === 'object' && request !== null && !Array.isArray(request)
      ? { request }
      : { wrong: 'A request is an object: {"inputs": […]}.' };
  } catch (problem) {
    return { wrong: `That is no JSON: ${(problem as Error).message}` };
  }
}

/** How many rows a plain request holds: what all of its inputs begin their shape with; 1 where they do not agree. */
export function rowsOf(request: unknown): number {
  const inputs = plainInputs(request);
  const rows = inputs[0]?.shape[0] ?? 1;
  const agreed = inputs.every(({ shape, data }) => shape[0] === rows && data.length === size(shape));
  return agreed && rows > 0 ? rows : 1;
}

/** The request with its first row only; anything that is no plain request of several rows as it is. */
export function firstRow(request: unknown): unknown {
  const rows = rowsOf(request);
  if (rows === 1) return request;
  const inputs = plainInputs(request).map((input) => ({
    ...input,
    shape: [1, ...input.shape.slice(1)],
    data: input.data.slice(0, input.data.length / rows),
  }));
  return { ...(request as Request), inputs };
}

/** A field for each value of a row; none where there are too many, or where it is no plain V2 request. */
export function fieldsOf(request: unknown): Field[] {
  const fields = plainInputs(request).flatMap((input, index) =>
    input.data.map((value, place): Field => ({
      key: `${index}.${place}`,
      input: index,
      place,
      label: input.data.length === 1 ? input.name : `${input.name} [${place}]`,
      datatype: input.datatype,
      isNumber: !['BYTES', 'BOOL'].includes(input.datatype),
      value,
    })),
  );
  return fields.length <= MOST_FIELDS ? fields : [];
}

function plainInputs(request: unknown): Input[] {
  const inputs = (request as Partial<Request> | null)?.inputs;
  return Array.isArray(inputs) && inputs.every(isPlain) ? inputs : [];
}

const isPlain = (input: Partial<Input> | null): input is Input =>
  typeof input?.name === 'string' &&
  typeof input.datatype === 'string' &&
  Array.isArray(input.shape) &&
  Array.isArray(input.data) &&
  input.data.every((each) => each === null || typeof each !== 'object');

const size = (shape: number[]) => shape.reduce((all, each) => all * each, 1);

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** What a text means as the field's value; a text that means none says what is wrong with it. */
export function read(field: Field, typed: string): { value: unknown } | { wrong: string } {
  const text = typed.trim();
  if (field.datatype === 'BYTES') return { value: typed };
  // What was missing in the example may stay missing.
  if (text === '' && field.value === null) return { value: null };
  if (field.datatype === 'BOOL')
    return text === 'true' || text === 'false' ? { value: text === 'true' } : { wrong: 'true or false, please.' };
  const value = NUMBER.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) return { wrong: 'A number, please.' };
  if (!/^U?INT/.test(field.datatype)) return { value };
  if (!Number.isInteger(value)) return { wrong: 'A whole number, please.' };
  if (!Number.isSafeInteger(value)) return { wrong: 'Too large to be sent from a browser.' };
  if (field.datatype.startsWith('U') && value < 0) return { wrong: 'Not below 0, please.' };
  return { value };
}

/** How a value stands in its field. */
export const shown = (value: unknown): string => (value === null ? '' : String(value));

/** The request with one value changed, as text. */
export function withValue(request: unknown, field: Field, value: unknown): string {
  const changed = structuredClone(request) as Request;
  const input = changed.inputs[field.input];
  if (input) input.data[field.place] = value;
  return JSON.stringify(changed, null, 2);
}
