// What happened in a project, and who did what.
import { Tabs, Text } from '@mantine/core';
import { useParams } from 'react-router';
import { useQuery } from 'urql';
import { ActivityHeadDocument } from '@/graphql/generated';
import { START, useAddress } from '@/parts/address';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { ErrorPanel } from '@/parts/problems';
import { Timeline } from '@/parts/timeline';
import { paths } from '@/paths';
import { Audit } from './audit';
import { NO_FILTER } from './audit-filters';

export default function Activity() {
  const project = useParams().project ?? '';
  const { one, set } = useAddress();
  const [{ data, error }, again] = useQuery({ query: ActivityHeadDocument, variables: { project } });
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
  ];
  if (error && !data?.project)
    return (
      <Page title="Activity" way={way}>
        <ErrorPanel error={error} again={again} />
      </Page>
    );
  if (data && !data.project) return <Missing what={`project “${project}”`} way={way.slice(0, 1)} />;
  return (
    <Page title="Activity" way={way}>
      <Tabs
        value={one('of') === 'audit' ? 'audit' : 'events'}
        onChange={(to) => set({ of: to === 'events' ? null : to, type: null, severity: null, ...NO_FILTER, ...START })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="events">Events</Tabs.Tab>
          <Tabs.Tab value="audit">Audit</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="events">
          <Timeline about={{ project }} />
        </Tabs.Panel>
        <Tabs.Panel value="audit">
          <Text size="sm" c="dimmed" mb="sm">
            Who asked for what, with the request's id, which the API's log has too. For the project's administrators.
          </Text>
          <Audit project={project} members={(data?.project?.members ?? []).map(({ subject }) => subject)} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
