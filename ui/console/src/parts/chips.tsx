// Labels and aliases of a version as chips, changed where they stand.
import { ActionIcon, Button, Group, Popover, Stack, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle, IconAt, IconPlus, IconX } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useClient } from 'urql';
import { useAct } from '@/graphql/act';
import {
  AliasHolderDocument,
  RemoveVersionAliasDocument,
  RemoveVersionLabelsDocument,
  SetVersionAliasDocument,
  SetVersionLabelsDocument,
} from '@/graphql/generated';
import { problemOf, type Problem } from '@/graphql/problem';
import { aliasProblem, labelProblem, type NameProblem } from './chip-names';
import { useFocusThatStays } from './focus-stays';
import { Refusals } from './problems';

type Label = { key: string; value: string };
type Version = { id: string; number: number; labels: Label[]; aliases: string[] };

export function Chip(props: {
  text: string;
  alias?: boolean;
  /** What is wrong with it, in two words. */
  wrong?: string;
  onRemove?: () => void;
  busy?: boolean;
}) {
  const kind = props.alias ? 'chip alias' : props.wrong ? 'chip wrong' : 'chip';
  return (
    <span className={kind} data-busy={props.busy || undefined}>
      {props.alias && <IconAt size={12} aria-hidden />}
      {props.wrong && <IconAlertTriangle size={12} color="var(--merlin-warn)" aria-hidden />}
      <span className="clip" title={props.text}>
        {props.text}
      </span>
      {props.wrong && <em>{props.wrong}</em>}
      {props.onRemove && (
        <button
          type="button"
          onClick={props.busy ? undefined : props.onRemove}
          // Not disabled: that would take the focus away.
          aria-disabled={props.busy || undefined}
          aria-label={`Remove ${props.text}`}
          title="Remove"
        >
          <IconX size={11} />
        </button>
      )}
    </span>
  );
}

export function Chips({ version, editable, modelId }: { modelId: string; version: Version; editable: boolean }) {
  const focus = useFocusThatStays<HTMLDivElement>((chips) => chips.querySelector<HTMLElement>('[data-add-chip]'));
  return (
    <Group gap={4} {...focus}>
      {version.aliases.map((alias) =>
        editable ? (
          <HeldAlias key={alias} modelId={modelId} alias={alias} number={version.number} />
        ) : (
          <Chip key={alias} alias text={alias} />
        ),
      )}
      {version.labels.map((label) =>
        editable ? (
          <HeldLabel key={label.key} version={version} label={label} />
        ) : (
          <Chip key={label.key} text={textOf(label)} />
        ),
      )}
      {editable && <AddChip modelId={modelId} version={version} />}
    </Group>
  );
}

const textOf = ({ key, value }: Label) => (value ? `${key}=${value}` : key);

/** Programs ask for versions by it. */
function HeldAlias({ modelId, alias, number }: { modelId: string; alias: string; number: number }) {
  const { act, busy, problems } = useAct(RemoveVersionAliasDocument);
  return (
    <HeldChip
      alias
      text={alias}
      what="alias"
      remove={async () => (await act({ modelId, alias }, `Alias ${alias} is free.`)) !== undefined}
      {...{ busy, problems }}
    >
      Take @{alias} off version {number}? Whoever asks for @{alias} finds no version then.
    </HeldChip>
  );
}

/** People and programs find versions by it. */
function HeldLabel({ version: { id, number }, label }: { version: Version; label: Label }) {
  const { act, busy, problems } = useAct(RemoveVersionLabelsDocument);
  const text = textOf(label);
  const removed = `Label ${text} is off version ${number}.`;
  return (
    <HeldChip
      text={text}
      what="label"
      remove={async () => (await act({ versionId: id, keys: [label.key] }, removed)) !== undefined}
      {...{ busy, problems }}
    >
      Take {text} off version {number}? Whoever looks for {text} does not find this version then.
    </HeldChip>
  );
}

/** A chip that can be taken off, after asking once. */
function HeldChip(props: {
  text: string;
  alias?: boolean;
  /** The word for it. */
  what: string;
  /** What is asked. */
  children: ReactNode;
  /** Done when it answers true; else `problems` say why not. */
  remove: () => Promise<boolean>;
  busy: boolean;
  problems: Problem[];
}) {
  const { text, alias, what, busy } = props;
  const [open, setOpen] = useState(false);
  const confirm = async () => {
    if (await props.remove()) setOpen(false);
  };
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      withArrow
      shadow="md"
      trapFocus
      withRoles={false}
      returnFocus
      width={300}
    >
      <Popover.Target>
        <span>
          <Chip alias={alias} text={text} busy={busy} onRemove={() => setOpen(!open)} />
        </span>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={`Remove ${alias ? '@' : ''}${text}`}>
        <Stack gap="xs">
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {props.children}
          </Text>
          <Refusals problems={props.problems} />
          <Group gap="xs" justify="flex-end">
            <Button variant="default" size="xs" onClick={() => setOpen(false)} data-autofocus>
              Leave it
            </Button>
            <Button color="red" size="xs" onClick={confirm} loading={busy}>
              Remove {what}
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

/** `key=value` is a label, `@name` an alias. */
export function parseChip(text: string): { label: Label } | { alias: string } | { wrong: string } {
  const given = text.trim();
  if (given.startsWith('@')) {
    const alias = given.slice(1);
    return alias ? { alias } : { wrong: 'An alias has a name: @champion.' };
  }
  const [key = '', ...rest] = given.split('=');
  if (key.trim() === '') return { wrong: 'Write key=value for a label, @name for an alias.' };
  return { label: { key: key.trim(), value: rest.join('=').trim() } };
}

/** Why what is typed cannot be set. */
function problemWith(meant: ReturnType<typeof parseChip>): NameProblem | undefined {
  if ('wrong' in meant) return { wrong: meant.wrong, unfinished: true };
  return 'alias' in meant ? aliasProblem(meant.alias) : labelProblem(meant.label.key, meant.label.value);
}

function AddChip({ modelId, version }: { modelId: string; version: Version }) {
  const [open, setOpen] = useState(false);
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      withArrow
      shadow="md"
      trapFocus
      returnFocus
      width={300}
    >
      <Popover.Target>
        <ActionIcon
          size={20}
          variant="subtle"
          color="gray"
          data-add-chip
          onClick={() => setOpen(!open)}
          aria-label={`Add a label or an alias to version ${version.number}`}
          title="Add a label or an alias"
        >
          <IconPlus size={13} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>
        <AddForm modelId={modelId} version={version} close={() => setOpen(false)} />
      </Popover.Dropdown>
    </Popover>
  );
}

function AddForm({ modelId, version, close }: { modelId: string; version: Version; close: () => void }) {
  const [text, setText] = useState('');
  // The version that the alias leaves: once that is told, the next press means it.
  const [leaves, setLeaves] = useState<number>();
  const setLabels = useAct(SetVersionLabelsDocument);
  const setAlias = useAct(SetVersionAliasDocument);
  const holder = useHolder(modelId);
  const busy = setLabels.busy || setAlias.busy || holder.busy;
  const meant = parseChip(text);
  const wrong = problemWith(meant);

  const change = (to: string) => {
    setText(to);
    setLeaves(undefined);
    for (const each of [setLabels, setAlias, holder]) each.forget();
  };
  const place = async (alias: string) => {
    if (leaves === undefined) {
      const number = await holder.ask(alias);
      if (number === undefined) return undefined;
      if (number !== null && number !== version.number) {
        setLeaves(number);
        return undefined;
      }
    }
    return setAlias.act({ versionId: version.id, alias }, `${alias} is version ${version.number} now.`);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wrong || busy) return;
    const done =
      'label' in meant
        ? await setLabels.act({ versionId: version.id, labels: [meant.label] })
        : 'alias' in meant && (await place(meant.alias));
    if (done) close();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <TextInput
          label="Label or alias"
          placeholder="stage=candidate, or @champion"
          value={text}
          onChange={(event) => change(event.currentTarget.value)}
          error={wrong && !wrong.unfinished && wrong.wrong}
          readOnly={busy}
          data-autofocus
          autoComplete="off"
          spellCheck={false}
        />
        {(!wrong || wrong.unfinished) && (
          <Text size="xs" c={leaves === undefined ? 'dimmed' : undefined} role="status">
            {text.trim() && wrong ? wrong.wrong : hintFor(meant, version, leaves)}
          </Text>
        )}
        <Refusals problems={[...setLabels.problems, ...setAlias.problems, ...holder.problems]} />
        <Button type="submit" size="xs" disabled={text.trim() === '' || wrong !== undefined} loading={busy}>
          {leaves !== undefined ? 'Move alias' : 'alias' in meant ? 'Set alias' : 'Set label'}
        </Button>
      </Stack>
    </form>
  );
}

function hintFor(meant: ReturnType<typeof parseChip>, version: Version, leaves: number | undefined): string {
  if ('alias' in meant)
    return leaves === undefined
      ? 'An alias names one version of the model.'
      : `@${meant.alias} moves from version ${leaves} to version ${version.number}. Press again to move it.`;
  const before = 'label' in meant && version.labels.find(({ key }) => key === meant.label.key);
  if (before && before.value !== meant.label.value)
    return `This replaces ${textOf(before)}, which the version has now.`;
  return 'Labels are key=value; an alias begins with @.';
}

/** Which version of the model has an alias now. */
function useHolder(modelId: string) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);
  /** Its number, null when none has it; undefined when that could not be told (see `problems`). */
  const ask = async (alias: string): Promise<number | null | undefined> => {
    setBusy(true);
    const { data, error } = await client
      .query(AliasHolderDocument, { modelId, alias }, { requestPolicy: 'network-only' })
      .toPromise();
    setBusy(false);
    setProblems(error ? [problemOf(error)] : []);
    if (error) return undefined;
    return data?.node && 'version' in data.node ? (data.node.version?.number ?? null) : null;
  };
  return { ask, busy, problems, forget: () => setProblems([]) };
}
