// MLflow's signature as rows: name, type, whether it must be there.

export type Column = { name: string; type: string; required: boolean };

type Spec = {
  name?: string;
  type?: unknown;
  required?: boolean;
  'tensor-spec'?: { dtype?: string; shape?: number[] };
  default?: unknown;
  dtype?: unknown;
};

/** The columns of inputs, outputs or params; they come as JSON, or as JSON in a text. Empty when there are none. */
export function columnsOf(part: unknown): Column[] {
  const specs = typeof part === 'string' ? parsed(part) : part;
  if (!Array.isArray(specs)) return [];
  return (specs as Spec[]).map((spec, index) => ({
    name: spec.name ?? (specs.length === 1 ? '(all)' : `${index}`),
    type: typeOf(spec),
    required: spec.required ?? spec.default === undefined,
  }));
}

function typeOf(spec: Spec): string {
  const tensor = spec['tensor-spec'];
  if (tensor) return `${tensor.dtype ?? 'tensor'} [${(tensor.shape ?? []).map((n) => (n < 0 ? 'any' : n)).join(', ')}]`;
  const type = spec.type ?? spec.dtype;
  const text = typeof type === 'string' ? type : JSON.stringify(type ?? 'any');
  return spec.default === undefined ? text : `${text} = ${JSON.stringify(spec.default)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
