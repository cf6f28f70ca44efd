// Lets a version answer at its model's address, after saying what that means.
import { useAct } from '@/graphql/act';
import { ServeVersionDocument } from '@/graphql/generated';
import { ConfirmButton } from './confirm';

/** The version that answers now, of what stands at a model's address. */
export function servingNow(
  endpoint: { status: string; servingVersion?: { number: number } | null } | null | undefined,
): number | undefined {
  return endpoint && endpoint.status !== 'STOPPED' ? endpoint.servingVersion?.number : undefined;
}

export function ServeButton(props: {
  model: string;
  environment: string;
  /** The version that is to answer, and its endpoint. */
  number: number;
  endpointId: string;
  /** The version that answers now. */
  now: number | undefined;
  verb?: string;
  size?: string;
  variant?: string;
}) {
  const {
    model,
    environment,
    number,
    endpointId,
    now,
    verb = 'Set as serving',
    size = 'xs',
    variant = 'filled',
  } = props;
  const serve = useAct(ServeVersionDocument);
  const go = `All calls to the model's address in ${environment} go to version ${number}`;
  return (
    <ConfirmButton
      verb={verb}
      danger={false}
      title={now === undefined ? `Let version ${number} answer for ${model}?` : `Switch ${model} to version ${number}?`}
      problems={serve.problems}
      button={{ size, variant }}
      act={async () =>
        (await serve.act({ versionEndpointId: endpointId }, `Version ${number} is to answer in ${environment}.`)) !==
        undefined
      }
    >
      {now === undefined
        ? `${go}.`
        : `${go} instead of version ${now}, without a gap. Version ${now} keeps running; you can switch back.`}
    </ConfirmButton>
  );
}
