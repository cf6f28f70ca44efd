// How far a revision has come: the steps, and how long each took.
import { Group, Text } from '@mantine/core';
import { IconCircle, IconCircleCheck, IconCircleMinus, IconCircleX, IconLoader2, type Icon } from '@tabler/icons-react';
import type { RevisionLineFragment } from '@/graphql/generated';
import { seconds } from '@/parts/quantity';
import { When } from '@/parts/when';
import { stepsOf, type Step } from './steps';

const shapes: Record<Step['state'], { icon: Icon; color: string; word: string }> = {
  done: { icon: IconCircleCheck, color: 'var(--merlin-good)', word: 'done' },
  now: { icon: IconLoader2, color: 'var(--merlin-busy)', word: 'under way' },
  failed: { icon: IconCircleX, color: 'var(--merlin-bad)', word: 'failed' },
  ended: { icon: IconCircleMinus, color: 'var(--merlin-off)', word: 'not reached' },
  ahead: { icon: IconCircle, color: 'var(--merlin-off)', word: 'to come' },
};

export function Rollout({ revision, active }: { revision: RevisionLineFragment; active: number | undefined }) {
  const steps = stepsOf(revision);
  return (
    <div className="typed">
      <Text size="sm" mb={6}>
        <strong>Revision {revision.number}</strong>
        <Text span c="dimmed" size="sm">
          {' '}
          by {revision.createdBy}, <When at={revision.createdAt} />
          {revision.comment && ` · “${revision.comment}”`}
          {steps.some((step) => step.state === 'now') && ` · at most ${seconds(revision.spec.deadlineSeconds)}`}
          {active !== undefined && active !== revision.number && ` · revision ${active} answers meanwhile`}
        </Text>
      </Text>
      <Group component="ol" className="steps" aria-label={`Rollout of revision ${revision.number}`}>
        {steps.map((step) => {
          const { icon: Shape, color, word } = shapes[step.state];
          return (
            <li key={step.name}>
              <Group gap={6} wrap="nowrap">
                <Shape size={18} color={color} className={step.state === 'now' ? 'spin' : undefined} aria-hidden />
                <Text size="sm" fw={step.state === 'now' ? 650 : undefined}>
                  {step.name}
                  <span className="unseen">, {word}</span>
                </Text>
                {step.tookMs !== undefined && (
                  <Text size="sm" c="dimmed" className="numbers">
                    {took(step.tookMs)}
                  </Text>
                )}
              </Group>
            </li>
          );
        })}
      </Group>
    </div>
  );
}

export function took(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : seconds(Math.round(ms / 1_000));
}
