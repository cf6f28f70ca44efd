import { Stack, Text } from '@mantine/core';
import { When } from '@/parts/when';
import type { Endpoint } from './endpoint';

/** In place of steps and address, which would look like something that runs. Its undeploy was its last change. */
export function Undeployed({ endpoint }: { endpoint: Pick<Endpoint, 'updatedAt' | 'ran' | 'url'> }) {
  const { updatedAt, ran, url } = endpoint;
  const last = ran.nodes.find(({ activeAt }) => activeAt !== null);
  return (
    <Stack gap={4}>
      <Text size="sm">
        <strong>Undeployed</strong> <When at={updatedAt} />
        {last && (
          <Text span c="dimmed" size="sm">
            {' '}
            · revision {last.number} was the last that ran
          </Text>
        )}
      </Text>
      <Text size="sm" c="dimmed">
        <span className="mono">{url}</span> answers 404 until it is deployed again.
      </Text>
    </Stack>
  );
}
