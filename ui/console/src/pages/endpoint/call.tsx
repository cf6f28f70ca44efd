// Call the endpoint: from here, with an answer at once; or from elsewhere, with what is ready to be copied.
import { Alert, Button, Group, SegmentedControl, SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import type { FormEvent } from 'react';
import type { TryVersionEndpointMutation } from '@/graphql/generated';
import { useAddress } from '@/parts/address';
import { CodeBlock } from '@/parts/copy';
import { None, Panel } from '@/parts/panel';
import { Refusals } from '@/parts/problems';
import { Badge } from '@/parts/status';
import { fieldsOf, firstRow, parse, read, rowsOf, shown, withValue, type Field } from './request';
import type { Of } from './endpoint';
import { snippets } from './snippets';
import type { Trial } from './trial';

type Answered = NonNullable<TryVersionEndpointMutation['tryVersionEndpoint']['trial']>;

export default function Call({ of, trial, isGuess }: { of: Of; trial: Trial; isGuess: boolean }) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Trying of={of} trial={trial} isGuess={isGuess} />
      <FromElsewhere of={of} text={trial.text} />
    </SimpleGrid>
  );
}

function Trying({ of, trial, isGuess }: { of: Of; trial: Trial; isGuess: boolean }) {
  const { text, setText, hadForm, setAs, typed, setTyped, sent } = trial;
  const parsed = parse(text);
  const row = 'request' in parsed ? firstRow(parsed.request) : undefined;
  const fields = fieldsOf(row);
  const as = fields.length > 0 ? trial.as : 'json';
  const wrongs = fields.map((field) => wrongOf(field, typed[field.key]));
  const runs = answers(of);
  const wrong = ('wrong' in parsed ? parsed.wrong : undefined) ?? sent.at('request');
  const sendable = runs && 'request' in parsed && (as === 'json' || wrongs.every((each) => each === undefined));
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (!sendable) return;
    void sent.ask({ versionEndpointId: of.endpoint.id, request: as === 'form' ? row : parsed.request });
  };
  const type = (field: Field, to: string) => {
    setTyped({ ...typed, [field.key]: to });
    const meant = read(field, to);
    if ('value' in meant) setText(withValue(row, field, meant.value));
  };
  const rows = 'request' in parsed ? rowsOf(parsed.request) : 1;
  return (
    <Panel
      title="Try it"
      beside={
        (hadForm || fields.length > 0) && (
          <SegmentedControl
            size="xs"
            aria-label="How to write the request"
            value={as}
            onChange={(next) => {
              setTyped({});
              setAs(next as 'form' | 'json');
            }}
            data={[
              { value: 'form', label: 'Form', disabled: fields.length === 0 },
              { value: 'json', label: 'JSON' },
            ]}
          />
        )
      }
    >
      {isGuess && <None>The model says neither by example nor by signature what it takes: change this to fit it.</None>}
      {as === 'form' && rows > 1 && <None>The form sends the first of {rows} rows.</None>}
      <form onSubmit={send} onKeyDown={(event) => (event.ctrlKey || event.metaKey) && event.key === 'Enter' && send()}>
        <Stack gap="sm">
          {as === 'form' ? (
            <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm" verticalSpacing="xs">
              {fields.map((field, index) => (
                <TextInput
                  key={field.key}
                  size="xs"
                  label={field.label}
                  description={field.datatype}
                  inputMode={field.isNumber ? 'decimal' : undefined}
                  value={typed[field.key] ?? shown(field.value)}
                  error={wrongs[index]}
                  onChange={(event) => type(field, event.currentTarget.value)}
                />
              ))}
            </SimpleGrid>
          ) : (
            <Textarea
              aria-label="V2 request"
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              autosize
              minRows={8}
              maxRows={22}
              spellCheck={false}
              classNames={{ input: 'mono' }}
              error={wrong}
            />
          )}
          <Group gap="sm">
            <Button
              type="submit"
              size="xs"
              loading={sent.busy}
              disabled={!sendable}
              leftSection={<IconSend size={15} aria-hidden />}
            >
              Send
            </Button>
            <Text size="xs" c="dimmed">
              {runs ? 'Sent by Merlin through the gateway. Ctrl+Enter sends too.' : 'It answers once it runs.'}
            </Text>
          </Group>
        </Stack>
      </form>
      <Refusals problems={sent.problems} shown={as === 'json' ? ['request'] : []} />
      <div aria-live="polite">{sent.answer?.trial && <Answer trial={sent.answer.trial} />}</div>
    </Panel>
  );
}

const answers = ({ endpoint }: Of) => endpoint.lifecycle === 'RUNNING' || endpoint.lifecycle === 'SERVING';

/** What is wrong with what was typed into a field, or with what it holds when nothing was. */
function wrongOf(field: Field, typed: string | undefined): string | undefined {
  const meant = read(field, typed ?? shown(field.value));
  return 'wrong' in meant ? meant.wrong : undefined;
}

function Answer({ trial }: { trial: Answered }) {
  const good = trial.status === 200;
  const text = trial.answer === null ? (trial.text ?? '') : JSON.stringify(trial.answer, null, 2);
  const who = [
    trial.version !== null && `version ${trial.version}`,
    trial.revision !== null && `revision ${trial.revision}`,
  ].filter(Boolean);
  return (
    <Stack gap="xs" role="group" aria-label="Answer">
      <Group gap="md">
        <Badge tone={good ? 'good' : 'bad'} word={good ? 'Answered' : `Refused: ${trial.status}`} />
        <Text size="sm" className="numbers" title="From sending the request to the whole answer, by Merlin's clock">
          {trial.latencyMs < 10 ? trial.latencyMs.toFixed(1) : Math.round(trial.latencyMs)} ms
        </Text>
        {who.length > 0 && (
          <Text size="sm" c="dimmed">
            by {who.join(', ')}
          </Text>
        )}
      </Group>
      {good && <Outputs answer={trial.answer} />}
      {!good && trial.status === 400 && (
        <Alert color="orange" variant="light" p="xs">
          The model says what is wrong with the request.
        </Alert>
      )}
      <CodeBlock label="Answer as JSON" text={text} maxHeight={280} />
    </Stack>
  );
}

type Output = { name?: string; datatype?: string; shape?: number[]; data?: unknown[] };
const FEW = 12;

function Outputs({ answer }: { answer: unknown }) {
  const outputs = ((answer as { outputs?: Output[] } | null)?.outputs ?? []).filter((each) => Array.isArray(each.data));
  return outputs.map((output, index) => (
    <Text key={output.name ?? index} size="sm">
      <Text span c="dimmed" size="sm">
        {output.name ?? `output ${index}`}:{' '}
      </Text>
      <strong className="numbers">
        {(output.data ?? []).slice(0, FEW).map(String).join(', ')}
        {(output.data ?? []).length > FEW && ' …'}
      </strong>
    </Text>
  ));
}

function FromElsewhere({ of, text }: { of: Of; text: string }) {
  const { one, set } = useAddress();
  const ways = snippets(of, text);
  const chosen = ways.find((way) => way.key === one('as')) ?? ways[0];
  if (!chosen) return null;
  return (
    <Panel title="From elsewhere">
      <SegmentedControl
        size="xs"
        aria-label="As"
        value={chosen.key}
        onChange={(key) => set({ as: key }, { replace: true })}
        data={ways.map(({ key, name }) => ({ value: key, label: name }))}
        style={{ alignSelf: 'flex-start' }}
      />
      <CodeBlock label={chosen.name} text={chosen.text} maxHeight={520} />
      <None>
        {!answers(of) && 'This address answers 404 until the version runs. '}
        {chosen.note}
      </None>
    </Panel>
  );
}
