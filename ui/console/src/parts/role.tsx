// Why some buttons are not here, for whoever may look but not change.
import { Text } from '@mantine/core';
import type { Role } from '@/graphql/generated';

/** One quiet line for a reader; nothing for everybody else. */
export function ReaderNote({ role, what = 'deploy and serve' }: { role: Role | null | undefined; what?: string }) {
  if (role !== 'READER') return null;
  return (
    <Text size="sm" c="dimmed">
      You are a reader here: editors {what}.
    </Text>
  );
}
