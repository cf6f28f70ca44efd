// The fields of a deploy; each shows its limit, what is wrong with it, and whether it differs from what was.
import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  SegmentedControl,
  Select,
  SimpleGrid,
  Switch,
  Text,
  TextInput,
} from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { useRef, useState, type ReactNode, type Ref } from 'react';
import { Link, useParams } from 'react-router';
import type { DeployPageQuery } from '@/graphql/generated';
import { None, Panel } from '@/parts/panel';
import { cpu, memory } from '@/parts/quantity';
import { paths } from '@/paths';
import type { Draft } from './draft';

type Environment = DeployPageQuery['environments']['nodes'][number];

type Props = {
  draft: Draft;
  /** What it was. */
  base: Draft;
  change: (changes: Partial<Draft>) => void;
  /** What is wrong with the field of this path. */
  at: (path: string) => string | undefined;
  environment: Environment;
  secrets: string[];
};

/** The paths that have a field here: what is wrong with them is shown at them. */
export function pathsOf(draft: Draft): string[] {
  return [
    ...['cpuRequest', 'cpuLimit', 'memoryRequest', 'memoryLimit'].map((field) => `resources.${field}`),
    ...['minReplicas', 'maxReplicas', 'timeoutSeconds', 'deadlineSeconds', 'runtime', 'strategy'],
    'autoscaling.targetPercent',
    'variables',
    ...draft.variables.flatMap((_, index) => [`variables.${index}.name`, `variables.${index}.value`]),
    ...draft.secrets.flatMap((_, index) => [`secrets.${index}.secret`, `secrets.${index}.variable`]),
  ];
}

export function Fields(props: Props) {
  return (
    <>
      <Resources {...props} />
      <Scale {...props} />
      <Rollout {...props} />
      <Variables {...props} />
      <Secrets {...props} />
    </>
  );
}

type TextField = {
  [Key in keyof Draft]: Draft[Key] extends string ? Key : never;
}[keyof Draft];

function Field(props: Props & { name: TextField; path?: string; label: string; limit?: string; unit?: string }) {
  const { draft, base, change, at, name, path = name, label, limit, unit } = props;
  const differs = draft[name] !== base[name];
  return (
    <TextInput
      label={label}
      description={[limit, differs && `was ${base[name] || 'not set'}`].filter(Boolean).join(' · ') || ' '}
      value={draft[name]}
      onChange={(event) => change({ [name]: event.currentTarget.value })}
      error={at(path)}
      placeholder={name.endsWith('Limit') ? 'no limit' : undefined}
      rightSection={
        unit && (
          <Text size="xs" c="dimmed">
            {unit}
          </Text>
        )
      }
      autoComplete="off"
      spellCheck={false}
      data-differs={differs || undefined}
    />
  );
}

function Resources(props: Props) {
  const { maxCpu, maxMemory } = props.environment.limits;
  const mostCpu = maxCpu ? `at most ${cpu(maxCpu)}` : 'no limit here';
  const mostMemory = maxMemory ? `at most ${memory(maxMemory)}` : 'no limit here';
  return (
    <Panel title="Each pod">
      <SimpleGrid cols={2} spacing="sm">
        <Field {...props} name="cpuRequest" path="resources.cpuRequest" label="CPU" limit={mostCpu} />
        <Field {...props} name="cpuLimit" path="resources.cpuLimit" label="CPU limit" limit={mostCpu} />
        <Field {...props} name="memoryRequest" path="resources.memoryRequest" label="Memory" limit={mostMemory} />
        <Field {...props} name="memoryLimit" path="resources.memoryLimit" label="Memory limit" limit={mostMemory} />
      </SimpleGrid>
    </Panel>
  );
}

function Scale(props: Props) {
  const { draft, change, at, environment } = props;
  const most = environment.limits.maxReplicas;
  const { autoscaling } = draft;
  return (
    <Panel title="Pods">
      <SimpleGrid cols={2} spacing="sm">
        <Field {...props} name="minReplicas" label="At least" limit="from 1" />
        <Field {...props} name="maxReplicas" label="At most" limit={most ? `up to ${most} here` : 'up to 1,000'} />
      </SimpleGrid>
      <Switch
        label="Scale with the load"
        checked={autoscaling !== null}
        onChange={(event) =>
          change({ autoscaling: event.currentTarget.checked ? { metric: 'CPU', targetPercent: '70' } : null })
        }
      />
      {autoscaling && (
        <Group align="flex-end" gap="sm">
          <SegmentedControl
            aria-label="What is measured"
            value={autoscaling.metric}
            onChange={(metric) => change({ autoscaling: { ...autoscaling, metric: metric as 'CPU' | 'MEMORY' } })}
            data={[
              { value: 'CPU', label: 'CPU' },
              { value: 'MEMORY', label: 'Memory' },
            ]}
          />
          <TextInput
            label="Average to keep"
            description="percent of the request, 1 to 100"
            w={220}
            value={autoscaling.targetPercent}
            onChange={(event) => change({ autoscaling: { ...autoscaling, targetPercent: event.currentTarget.value } })}
            error={at('autoscaling.targetPercent')}
          />
        </Group>
      )}
    </Panel>
  );
}

function Rollout(props: Props) {
  const { draft, change, at, environment } = props;
  return (
    <Panel title="Rollout">
      <SimpleGrid cols={2} spacing="sm">
        <Field {...props} name="timeoutSeconds" label="A prediction may take" limit="up to 3,600 s" unit="s" />
        <Field {...props} name="deadlineSeconds" label="The rollout may take" limit="up to 86,400 s" unit="s" />
        <Select
          label="Runtime"
          data={environment.runtimes.map(({ name, formats }) => ({
            value: name,
            label: `${name} (${formats.join(', ')})`,
          }))}
          value={draft.runtime}
          onChange={(runtime) => runtime !== null && change({ runtime })}
          allowDeselect={false}
          error={at('runtime')}
        />
        <Select
          label="How it replaces what runs"
          data={[
            { value: 'SURGE', label: 'New pods first, no gap' },
            { value: 'RECREATE', label: 'Old pods go first, with a gap' },
          ]}
          value={draft.strategy}
          onChange={(strategy) => strategy !== null && change({ strategy: strategy as Draft['strategy'] })}
          allowDeselect={false}
          error={at('strategy')}
        />
      </SimpleGrid>
    </Panel>
  );
}

/** A row that is added is written in next; when one is removed, the keyboard goes on from the button that adds. */
function useRowFocus(count: number) {
  const [added, setAdded] = useState<number>();
  const button = useRef<HTMLButtonElement>(null);
  return { added, button, add: () => setAdded(count), remove: () => button.current?.focus() };
}

function Variables({ draft, change, at }: Props) {
  const { variables } = draft;
  const focus = useRowFocus(variables.length);
  const add = () => {
    focus.add();
    change({ variables: [...variables, { name: '', value: '' }] });
  };
  const remove = (index: number) => {
    focus.remove();
    change({ variables: variables.filter((_, at) => at !== index) });
  };
  const set = (index: number, changes: Partial<Draft['variables'][number]>) =>
    change({ variables: variables.map((each, at) => (at === index ? { ...each, ...changes } : each)) });
  return (
    <Panel title="Environment variables" beside={<Add what="variable" onClick={add} button={focus.button} />}>
      {variables.length === 0 && <None>None. Editors see their values; use secrets for passwords.</None>}
      {variables.map((variable, index) => (
        <Row key={index} what={variable.name || `variable ${index + 1}`} remove={() => remove(index)}>
          <TextInput
            aria-label={`Name of variable ${index + 1}`}
            placeholder="NAME"
            autoFocus={index === focus.added}
            value={variable.name}
            onChange={(event) => set(index, { name: event.currentTarget.value })}
            error={at(`variables.${index}.name`)}
            classNames={{ input: 'mono' }}
            spellCheck={false}
          />
          <TextInput
            aria-label={`Value of variable ${index + 1}`}
            placeholder="value"
            value={variable.value}
            onChange={(event) => set(index, { value: event.currentTarget.value })}
            error={at(`variables.${index}.value`)}
            spellCheck={false}
          />
        </Row>
      ))}
      {at('variables') && (
        <Text size="sm" c="var(--mantine-color-error)">
          {at('variables')}
        </Text>
      )}
    </Panel>
  );
}

function Secrets({ draft, change, at, secrets: known }: Props) {
  const { project = '' } = useParams();
  const { secrets } = draft;
  const focus = useRowFocus(secrets.length);
  const add = () => {
    focus.add();
    change({ secrets: [...secrets, { secret: '', variable: '' }] });
  };
  const remove = (index: number) => {
    focus.remove();
    change({ secrets: secrets.filter((_, at) => at !== index) });
  };
  const set = (index: number, changes: Partial<Draft['secrets'][number]>) =>
    change({ secrets: secrets.map((each, at) => (at === index ? { ...each, ...changes } : each)) });
  const offered = [...new Set([...known, ...secrets.map((each) => each.secret).filter(Boolean)])];
  return (
    <Panel title="Secrets" beside={offered.length > 0 && <Add what="secret" onClick={add} button={focus.button} />}>
      {offered.length === 0 && (
        <None>
          The project has none. An administrator sets them in{' '}
          <Anchor component={Link} to={paths.settings(project)} size="sm">
            its settings
          </Anchor>
          .
        </None>
      )}
      {offered.length > 0 && secrets.length === 0 && <None>None is given to the model.</None>}
      {secrets.map((secret, index) => (
        <Row key={index} what={secret.secret || `secret ${index + 1}`} remove={() => remove(index)}>
          <TextInput
            aria-label={`Variable of secret ${index + 1}`}
            placeholder="VARIABLE"
            autoFocus={index === focus.added}
            value={secret.variable}
            onChange={(event) => set(index, { variable: event.currentTarget.value })}
            error={at(`secrets.${index}.variable`)}
            classNames={{ input: 'mono' }}
            spellCheck={false}
          />
          <Select
            aria-label={`Name of secret ${index + 1}`}
            placeholder="secret"
            data={offered}
            value={secret.secret || null}
            onChange={(name) => set(index, { secret: name ?? '' })}
            error={at(`secrets.${index}.secret`)}
          />
        </Row>
      ))}
    </Panel>
  );
}

function Add({ what, onClick, button }: { what: string; onClick: () => void; button: Ref<HTMLButtonElement> }) {
  return (
    <Button
      ref={button}
      size="compact-sm"
      variant="default"
      leftSection={<IconPlus size={14} aria-hidden />}
      onClick={onClick}
    >
      Add a {what}
    </Button>
  );
}

function Row({ what, remove, children }: { what: string; remove: () => void; children: ReactNode }) {
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      <SimpleGrid cols={2} spacing="xs" flex={1}>
        {children}
      </SimpleGrid>
      <ActionIcon variant="subtle" color="gray" size={36} onClick={remove} aria-label={`Remove ${what}`}>
        <IconX size={16} />
      </ActionIcon>
    </Group>
  );
}
