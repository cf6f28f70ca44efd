// What the cluster says would change: object by object, field by field. Asked by a worker, nothing of it is kept.
import { Group, Skeleton, Stack, Text } from '@mantine/core';
import { IconCircleDashed, IconCircleMinus, IconCirclePlus, IconEdit, type Icon } from '@tabler/icons-react';
import type { ChangeAction, PlanDeploymentMutation } from '@/graphql/generated';
import type { Problem } from '@/graphql/problem';
import { Changes } from '@/parts/changes';
import { None, Panel } from '@/parts/panel';
import { ProblemPanel } from '@/parts/problems';

type DeploymentPlan = NonNullable<PlanDeploymentMutation['planDeployment']['plan']>;
type ObjectChange = DeploymentPlan['changes'][number];

const actions: Record<ChangeAction, { word: string; icon: Icon; color: string }> = {
  CREATE: { word: 'Made', icon: IconCirclePlus, color: 'var(--merlin-good)' },
  UPDATE: { word: 'Changed', icon: IconEdit, color: 'var(--merlin-busy)' },
  DELETE: { word: 'Removed', icon: IconCircleMinus, color: 'var(--merlin-bad)' },
  UNCHANGED: { word: 'As it is', icon: IconCircleDashed, color: 'var(--merlin-off)' },
};

export function Plan(props: {
  plan: DeploymentPlan | undefined;
  /** What happens to what is there while new pods start. */
  meanwhile: string;
  stale: boolean;
  waits: boolean;
  refused: boolean;
  /** Why there is none, where no field is to blame. */
  problem: Problem | undefined;
  again: () => void;
}) {
  const { plan, meanwhile, stale, waits, refused, problem, again } = props;
  return (
    <Panel title="Plan">
      {waits && <None>It is made once every field is good.</None>}
      {!waits && refused && !problem && !stale && (
        <None>There is none: what is wrong stands at its field or below.</None>
      )}
      {!waits && problem && <ProblemPanel problem={problem} again={again} />}
      {!plan && !waits && stale && !problem && (
        <Stack gap="xs" role="group" aria-label="The plan is being made">
          <Skeleton height={16} width="70%" />
          <Skeleton height={16} width="90%" />
          <Skeleton height={16} width="60%" />
        </Stack>
      )}
      {plan && !waits && (
        <div className={stale ? 'stale' : undefined} aria-busy={stale} aria-live="polite">
          <Text size="sm" mb="sm">
            <strong>Revision {plan.revisionNumber}</strong>{' '}
            {plan.makesPods ? `gets pods of its own${meanwhile}.` : 'changes in place what runs; no pod is replaced.'}
          </Text>
          <Stack gap={2} className="objects">
            {plan.changes.map((change) => (
              <Change key={`${change.kind}/${change.namespace}/${change.name}`} change={change} />
            ))}
          </Stack>
          <Text size="xs" c="dimmed" mt="sm">
            As the cluster stands now, by a dry run.
          </Text>
        </div>
      )}
    </Panel>
  );
}

function Change({ change }: { change: ObjectChange }) {
  const { word, icon: Shape, color } = actions[change.action];
  const head = (
    <Group gap={8} wrap="nowrap" component="span" display="inline-flex" miw={0}>
      <Shape size={16} color={color} aria-hidden style={{ flexShrink: 0 }} />
      <Text size="sm" span w={72} style={{ flexShrink: 0, whiteSpace: 'nowrap' }}>
        {word}
      </Text>
      <Text size="sm" span style={{ overflowWrap: 'anywhere' }} title={change.apiVersion}>
        <strong>{change.kind}</strong> {change.name}
        {change.namespace && (
          <Text span size="sm" c="dimmed">
            {' '}
            in {change.namespace}
          </Text>
        )}
      </Text>
    </Group>
  );
  if (change.fields.length === 0) return <div className="bare">{head}</div>;
  return (
    <details open={change.action === 'UPDATE'}>
      <summary>{head}</summary>
      <Changes changes={change.fields} label={`Fields of ${change.kind} ${change.name}`} />
    </details>
  );
}
