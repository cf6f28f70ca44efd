// Which versions: what the address says, as GraphQL's filter, and the form that changes it.
import { Button, Group, Indicator, MultiSelect, Popover, Stack, Text, TextInput, Select } from '@mantine/core';
import { IconFilter } from '@tabler/icons-react';
import { memo, useState, type FormEvent, type RefObject } from 'react';
import type { Lifecycle, MetricFilter, VersionFilter } from '@/graphql/generated';
import { START, type AddressState } from '@/parts/address';
import { Chip } from '@/parts/chips';
import { useFocusThatStays } from '@/parts/focus-stays';

const lifecycles: { value: Lifecycle; label: string }[] = [
  { value: 'SERVING', label: 'Serving' },
  { value: 'RUNNING', label: 'Running' },
  { value: 'PENDING', label: 'Deploying' },
  { value: 'FAILED', label: 'Failed' },
  { value: 'TERMINATED', label: 'Undeployed' },
];

const states = [
  { value: 'FINISHED', label: 'Finished' },
  { value: 'OPEN', label: 'Open: no model yet' },
];

const bounds = { '>': 'above', '>=': 'atLeast', '≥': 'atLeast', '<': 'below', '<=': 'atMost', '≤': 'atMost' } as const;

/** `accuracy > 0.9`, `accuracy >= 0.9`, `loss < 0.1` or `loss <= 0.1`. */
export function parseBound(text: string): MetricFilter | undefined {
  const found = /^\s*([^<>=≤≥]+?)\s*([<>]=?|[≤≥])\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*$/i.exec(text);
  if (!found) return undefined;
  const value = Number(found[3]);
  if (!Number.isFinite(value)) return undefined;
  return { key: found[1]!, [bounds[found[2] as keyof typeof bounds]]: value };
}

export function parseLabel(text: string): { key: string; value: string | null } {
  const [key = '', ...value] = text.split('=');
  return { key: key.trim(), value: value.length > 0 ? value.join('=').trim() : null };
}

export function filterOf(address: AddressState): VersionFilter {
  const some = <T,>(list: T[]): T[] | null => (list.length > 0 ? list : null);
  const pairs = (key: string) =>
    some(
      address
        .all(key)
        .map(parseLabel)
        .filter((pair) => pair.key !== ''),
    );
  return {
    runNameContains: address.one('name'),
    alias: address.one('alias'),
    label: pairs('label'),
    param: pairs('where-param'),
    metric: some(address.all('where').flatMap((text) => parseBound(text) ?? [])),
    lifecycle: some(
      address.all('status').filter((text): text is Lifecycle => lifecycles.some(({ value }) => value === text)),
    ),
    environment: address.one('environment'),
    state: address.one('state') === 'OPEN' ? 'OPEN' : address.one('state') === 'FINISHED' ? 'FINISHED' : null,
  };
}

const keys = ['name', 'alias', 'label', 'where-param', 'where', 'status', 'environment', 'state'];
const single = ['name', 'alias', 'environment', 'state'];

/** A filter as the address has it; `rule` says how to write one that is not understood and so narrows nothing. */
type Pill = { key: string; text: string; rule?: string };

export function pillsOf(address: AddressState): Pill[] {
  return keys.flatMap((key) =>
    address.all(key).map((text, place) => ({
      key,
      text,
      rule: place > 0 && single.includes(key) ? 'Only one can be asked for.' : ruleBroken(key, text),
    })),
  );
}

function ruleBroken(key: string, text: string): string | undefined {
  if (key === 'where' && !parseBound(text)) return 'Write a metric, >, >=, < or <=, and a number: accuracy >= 0.9.';
  if (key === 'status' && !lifecycles.some(({ value }) => value === text)) return `One of ${listOf(lifecycles)}.`;
  if (key === 'state' && !states.some(({ value }) => value === text)) return `One of ${listOf(states)}.`;
  if ((key === 'label' || key === 'where-param') && !parseLabel(text).key) return 'Write key=value, or a key alone.';
  return undefined;
}

const listOf = (choices: { value: string }[]) => choices.map(({ value }) => value).join(', ');

const isUnderstood = (pill: Pill) => pill.rule === undefined;

export function isFiltered(address: AddressState): boolean {
  return pillsOf(address).some(isUnderstood);
}

export const NO_FILTER = { ...Object.fromEntries(keys.map((key) => [key, null])), ...START };

/** What is filtered by, each to be taken away; what is not understood says how it is written. */
export function FilterPills({ address, button }: { address: AddressState; button: RefObject<HTMLElement | null> }) {
  const pills = pillsOf(address).filter((pill) => pill.key !== 'name' || pill.rule);
  const focus = useFocusThatStays<HTMLDivElement>(
    (left) => left.querySelector<HTMLElement>('.chip button') ?? button.current,
  );
  return (
    <Stack gap={4} display={pills.length === 0 ? 'none' : undefined} {...focus}>
      <Group gap={6}>
        {pills.map(({ key, text, rule }, place) => (
          <Chip
            key={place}
            text={wordOf(key, text)}
            wrong={rule && 'not understood'}
            onRemove={() => address.set({ [key]: address.all(key).filter((each) => each !== text), ...START })}
          />
        ))}
        <Button size="compact-xs" variant="subtle" onClick={() => address.set(NO_FILTER)}>
          Clear all
        </Button>
      </Group>
      {pills.map(
        ({ key, text, rule }, place) =>
          rule && (
            <Text key={place} size="xs" c="dimmed">
              “{wordOf(key, text)}” narrows nothing. {rule}
            </Text>
          ),
      )}
    </Stack>
  );
}

function wordOf(key: string, text: string): string {
  if (key === 'status') return lifecycles.find(({ value }) => value === text)?.label ?? text;
  if (key === 'alias') return `@${text}`;
  if (key === 'where-param') return `param ${text}`;
  if (key === 'environment') return `in ${text}`;
  if (key === 'state') return text.toLowerCase();
  return text;
}

/** Drawn again for another address only; rows that come and go are none of its business. */
export const FilterButton = memo(DrawnButton);

function DrawnButton(props: {
  address: AddressState;
  environments: string[];
  button: RefObject<HTMLButtonElement | null>;
}) {
  const { address, environments } = props;
  const [open, setOpen] = useState(false);
  const count = pillsOf(address).filter((pill) => pill.key !== 'name' && isUnderstood(pill)).length;
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      withArrow
      shadow="md"
      trapFocus
      returnFocus
      width={340}
    >
      <Indicator label={count} size={16} disabled={count === 0} color="indigo.8">
        <Popover.Target>
          <Button
            ref={props.button}
            variant="default"
            size="sm"
            leftSection={<IconFilter size={15} aria-hidden />}
            onClick={() => setOpen(!open)}
            aria-expanded={open}
          >
            Filter
          </Button>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown>
        <FilterForm address={address} environments={environments} />
      </Popover.Dropdown>
    </Popover>
  );
}

function FilterForm({ address, environments }: { address: AddressState; environments: string[] }) {
  const add = (key: string, text: string) =>
    address.set({ [key]: [...new Set([...address.all(key), text])], ...START });
  return (
    <Stack gap="xs">
      <MultiSelect
        label="Status of an endpoint"
        data={lifecycles}
        value={address.all('status')}
        onChange={(status) => address.set({ status, ...START })}
        comboboxProps={{ withinPortal: false }}
        data-autofocus
      />
      {environments.length > 1 && (
        <Select
          label="Environment"
          data={environments}
          value={address.one('environment')}
          onChange={(environment) => address.set({ environment, ...START })}
          clearable
          comboboxProps={{ withinPortal: false }}
        />
      )}
      <OneMore
        label="Alias"
        placeholder="champion"
        onAdd={(text) => address.set({ alias: text.replace(/^@/, ''), ...START })}
      />
      <OneMore label="Label" placeholder="stage=candidate, or stage" onAdd={(text) => add('label', text)} />
      <OneMore
        label="Metric"
        placeholder="accuracy > 0.9"
        wrong={(text) => ruleBroken('where', text)}
        onAdd={(text) => add('where', text)}
      />
      <OneMore label="Param" placeholder="max_depth=5" onAdd={(text) => add('where-param', text)} />
      <Select
        label="State"
        data={states}
        value={address.one('state')}
        onChange={(state) => address.set({ state, ...START })}
        clearable
        comboboxProps={{ withinPortal: false }}
      />
    </Stack>
  );
}

function OneMore(props: {
  label: string;
  placeholder: string;
  wrong?: (text: string) => string | undefined;
  onAdd: (text: string) => void;
}) {
  const [text, setText] = useState('');
  const [tried, setTried] = useState(false);
  const wrong = tried && text.trim() !== '' ? props.wrong?.(text) : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (text.trim() === '' || props.wrong?.(text)) return;
    props.onAdd(text.trim());
    setText('');
    setTried(false);
  };
  return (
    <form onSubmit={submit}>
      <TextInput
        label={props.label}
        placeholder={props.placeholder}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        error={wrong}
        rightSectionWidth={56}
        rightSection={
          text.trim() !== '' && (
            <Button type="submit" size="compact-xs" variant="light">
              Add
            </Button>
          )
        }
        autoComplete="off"
        spellCheck={false}
      />
    </form>
  );
}
