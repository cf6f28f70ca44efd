// One dot for all environments: whether their clusters answered last.
import { Button, Popover, Stack, Text, Group } from '@mantine/core';
import { IconHelpCircle } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { useQuery } from 'urql';
import { ClusterHealthDocument } from '@/graphql/generated';
import { paths } from '@/paths';
import { Badge, Reachable } from '@/parts/status';
import { When } from '@/parts/when';
import { useAway } from './connection';

const AGAIN_MS = 10_000;

export function ClusterHealth() {
  const [{ data }, again] = useQuery({ query: ClusterHealthDocument });
  const away = useAway();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') again({ requestPolicy: 'network-only' });
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
  const environments = data?.environments.nodes;
  if (!environments?.length) return null;
  const worst = environments.some((one) => one.reachable === false)
    ? false
    : environments.every((one) => one.reachable)
      ? true
      : null;
  const what = environments.length === 1 ? 'Cluster' : 'Clusters';
  // What was read last says nothing of now.
  if (away)
    return (
      <span className="brief">
        <Badge tone="off" word={`${what} unknown`} icon={IconHelpCircle} />
      </span>
    );
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" withArrow shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button
          className="brief"
          variant="subtle"
          color="gray"
          size="compact-sm"
          onClick={() => setOpen(!open)}
          aria-expanded={open}
        >
          <Reachable reachable={worst} what={what} />
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          {environments.map((one) => (
            <Group key={one.id} gap="sm" wrap="nowrap" justify="space-between">
              <Text size="sm" component={Link} to={paths.environment(one.name)} className="plain" fw={600}>
                {one.name}
              </Text>
              <Group gap="xs" wrap="nowrap">
                <Reachable reachable={one.reachable} />
                {one.healthAt && (
                  <Text size="xs" c="dimmed">
                    changed <When at={one.healthAt} />
                  </Text>
                )}
              </Group>
            </Group>
          ))}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
