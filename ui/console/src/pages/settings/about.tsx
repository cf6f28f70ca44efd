import { Button, Group, Input, SimpleGrid, Text, Textarea, TextInput } from '@mantine/core';
import { useRef, useState, type FormEvent } from 'react';
import { useClient } from 'urql';
import { useAct } from '@/graphql/act';
import { NewestLabelsDocument, ProjectSettingsDocument, UpdateProjectDocument } from '@/graphql/generated';
import { problemOf, type Problem } from '@/graphql/problem';
import { Chip, parseChip } from '@/parts/chips';
import { Facts } from '@/parts/facts';
import { useFocusThatStays } from '@/parts/focus-stays';
import { None, Panel } from '@/parts/panel';
import { Refusals } from '@/parts/problems';
import { Stay } from '@/parts/stay';
import { When } from '@/parts/when';
import { changes, labelled, meanwhile, nothing, onLabels, typed, without, type Draft, type Field } from './draft';
import type { Project } from './settings';

export function About({ project }: { project: Project }) {
  const [draft, setDraft] = useState(nothing);
  const [label, setLabel] = useState('');
  const [wrongLabel, setWrongLabel] = useState<string>();
  const labelField = useRef<HTMLInputElement>(null);
  const focus = useFocusThatStays<HTMLDivElement>(() => labelField.current);
  const { save, busy, problems, at, forget } = useSave(project);
  const labels = onLabels(draft, project.labels);
  const unsaved = changes(draft, project) || label.trim() !== '';

  const change = (field: Field, is: string) => {
    setDraft((now) => typed(now, project, field, is));
    forget();
  };
  /** The draft with the label that is being typed, or undefined when that is none. */
  const withTyped = (): Draft | undefined => {
    if (label.trim() === '') return draft;
    const meant = parseChip(label);
    if (!('label' in meant)) {
      setWrongLabel('Write key=value.');
      return undefined;
    }
    const more = labelled(draft, project.labels, meant.label.key, meant.label.value);
    setDraft(more);
    setLabel('');
    return more;
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!unsaved || busy) return;
    const sent = withTyped();
    if (sent && (await save(sent))) setDraft((now) => without(now, sent));
  };
  const field = (name: Field) => ({
    value: draft.texts[name]?.is ?? project[name],
    onChange: (event: { currentTarget: { value: string } }) => change(name, event.currentTarget.value),
    error: at(name),
    description: told(meanwhile(draft, project, name)),
    inputWrapperOrder: ['label' as const, 'input' as const, 'description' as const, 'error' as const],
    autoComplete: 'off',
  });
  const wrongLabels = problems.filter(({ path }) => path?.[0] === 'labels');

  return (
    <Panel title="About">
      <Stay unsaved={unsaved}>What you changed about the project is not saved.</Stay>
      <form onSubmit={submit} className="about">
        <Textarea label="What it is for" rows={3} {...field('description')} />
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          <TextInput label="Team" {...field('team')} />
          <TextInput label="Stream" {...field('stream')} />
        </SimpleGrid>
        <div>
          <TextInput
            ref={labelField}
            label="Labels"
            description="For finding and grouping projects: key=value, added with Enter."
            placeholder="stage=live"
            value={label}
            onChange={(event) => {
              setLabel(event.currentTarget.value);
              setWrongLabel(undefined);
              forget();
            }}
            onKeyDown={(event) => {
              // Enter in an empty field saves, as in every other.
              if (event.key !== 'Enter' || label.trim() === '') return;
              event.preventDefault();
              withTyped();
            }}
            error={wrongLabel}
            autoComplete="off"
            spellCheck={false}
          />
          <Group gap={4} mt={8} role="list" aria-label="Labels of the project" {...focus}>
            {labels.map(({ key, value }) => (
              <span key={key} role="listitem" className="label">
                <Chip
                  text={value ? `${key}=${value}` : key}
                  onRemove={() => {
                    setDraft((now) => labelled(now, project.labels, key, null));
                    forget();
                  }}
                />
              </span>
            ))}
          </Group>
          {wrongLabels.map(({ message }) => (
            <Input.Error key={message} mt={6}>
              {message}
            </Input.Error>
          ))}
        </div>
        <Refusals problems={problems.filter((each) => !wrongLabels.includes(each))} shown={fields} />
        <Group gap="sm">
          <Button type="submit" loading={busy} data-disabled={!unsaved || undefined} aria-disabled={!unsaved}>
            Save
          </Button>
          {unsaved && (
            <Button
              variant="default"
              onClick={() => {
                setDraft(nothing);
                setLabel('');
                setWrongLabel(undefined);
                forget();
              }}
            >
              Undo
            </Button>
          )}
          <Text size="sm" c="dimmed" role="status">
            {unsaved ? 'Not saved yet.' : 'Nothing to save.'}
          </Text>
        </Group>
      </form>
    </Panel>
  );
}

const fields = ['description', 'team', 'stream'];

const told = (other: string | undefined) =>
  other === undefined
    ? undefined
    : `Somebody else ${other === '' ? 'has emptied this' : `wrote “${other}”`} meanwhile; saving replaces it.`;

/** Sends only what was changed. Labels are replaced as a whole, so they are read once more right before. */
function useSave(project: Project) {
  const client = useClient();
  const update = useAct(UpdateProjectDocument);
  const [reading, setReading] = useState(false);
  const [unread, setUnread] = useState<Problem[]>([]);
  const send = async (draft: Draft): Promise<boolean> => {
    let labels;
    if (Object.keys(draft.labels).length > 0) {
      const { data, error } = await client
        .query(NewestLabelsDocument, { project: project.name }, { requestPolicy: 'network-only' })
        .toPromise();
      if (error) setUnread([problemOf(error)]);
      if (error || !data?.project) return false;
      labels = onLabels(draft, data.project.labels);
    }
    const texts = Object.fromEntries(Object.entries(draft.texts).map(([name, { is }]) => [name, is]));
    if (!(await update.act({ projectId: project.id, ...texts, labels }, 'Saved.'))) return false;
    // What is shown is what was saved before the draft is laid aside.
    await client
      .query(ProjectSettingsDocument, { project: project.name }, { requestPolicy: 'network-only' })
      .toPromise();
    return true;
  };
  const save = async (draft: Draft) => {
    setReading(true);
    setUnread([]);
    try {
      return await send(draft);
    } finally {
      setReading(false);
    }
  };
  const forget = () => {
    update.forget();
    setUnread([]);
  };
  return { save, forget, at: update.at, problems: [...update.problems, ...unread], busy: reading || update.busy };
}

export function AboutRead({ project }: { project: Project }) {
  const { description, team, stream, labels, createdBy, createdAt } = project;
  return (
    <Panel title="About">
      {!description && !team && !stream && labels.length === 0 && <None>Nothing is written about it yet.</None>}
      <Facts
        facts={[
          ['What it is for', description && <Lines key="d" text={description} />],
          ['Team', team],
          ['Stream', stream],
          [
            'Labels',
            labels.length > 0 && (
              <Group key="l" gap={4}>
                {labels.map(({ key, value }) => (
                  <Chip key={key} text={value ? `${key}=${value}` : key} />
                ))}
              </Group>
            ),
          ],
          ['Made', <Made key="m" by={createdBy} at={createdAt} />],
        ]}
      />
    </Panel>
  );
}

const Lines = ({ text }: { text: string }) => <span className="lines">{text}</span>;

function Made({ by, at }: { by: string; at: string }) {
  return (
    <>
      <When at={at} /> by {by}
    </>
  );
}
