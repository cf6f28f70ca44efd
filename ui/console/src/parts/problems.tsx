// What went wrong, with all that helps: code, message, hint, the request's id.
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { IconAlertCircle, IconLock } from '@tabler/icons-react';
import type { CombinedError } from 'urql';
import { problemOf, type Problem } from '@/graphql/problem';
import { Copy } from './copy';

export function ProblemPanel({ problem, again }: { problem: Problem; again?: () => void }) {
  const forbidden = problem.code === 'PERMISSION_DENIED';
  return (
    <Alert
      color={forbidden ? 'gray' : 'red'}
      role="alert"
      icon={forbidden ? <IconLock size={18} /> : <IconAlertCircle size={18} />}
      title={forbidden ? 'You may not see this' : problem.message}
    >
      <Stack gap={6} align="flex-start">
        {forbidden && <Text size="sm">{problem.message}</Text>}
        {problem.hint && !problem.message.includes(problem.hint) && <Text size="sm">{problem.hint}</Text>}
        <Group gap={4}>
          <Text size="xs" className="mono">
            {problem.code}
            {problem.requestId && ` · request ${problem.requestId}`}
          </Text>
          {problem.requestId && <Copy text={problem.requestId} what="Copy the request's id" />}
        </Group>
        {again && (
          <Button size="compact-sm" variant="default" onClick={again}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** For a query that failed. */
export function ErrorPanel({ error, again }: { error: CombinedError; again?: () => void }) {
  return <ProblemPanel problem={problemOf(error)} again={again} />;
}

/** For an act that was refused: what no field of the form shows already. */
export function Refusals({ problems, shown = [] }: { problems: Problem[]; shown?: string[] }) {
  const left = problems.filter((problem) => !shown.includes((problem.path ?? []).join('.')));
  return left.map((problem) => <ProblemPanel key={problem.code + problem.message} problem={problem} />);
}
