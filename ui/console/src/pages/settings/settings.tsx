// What a project is, who may do what in it, and the secrets its models get.
import { Skeleton, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useParams } from 'react-router';
import { ProjectSettingsDocument, type ProjectSettingsQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { Panel } from '@/parts/panel';
import { ErrorPanel } from '@/parts/problems';
import { paths } from '@/paths';
import { About, AboutRead } from './about';
import { Members, MembersUnseen } from './members';
import { Secrets } from './secrets';
import './settings.css';

export type Project = NonNullable<ProjectSettingsQuery['project']>;

export default function Settings() {
  const name = useParams().project ?? '';
  const [{ data, error }, again] = useLiveQuery(ProjectSettingsDocument, { project: name }, { project: name });
  const way = [
    { name: 'Projects', to: paths.home() },
    { name, to: paths.project(name) },
  ];
  const project = data?.project;
  if (data && !project && !error) return <Missing what={`project “${name}”`} way={way.slice(0, 1)} />;
  return (
    <Page title="Settings" way={way}>
      <Stack className="settings">
        {error && <ErrorPanel error={error} again={again} />}
        {!project && !error && <Awaited />}
        {project && (project.role === 'ADMINISTRATOR' ? <All project={project} /> : <Read project={project} />)}
      </Stack>
    </Page>
  );
}

function All({ project }: { project: Project }) {
  return (
    <>
      <About key={project.id} project={project} />
      <Members project={project} />
      <Secrets project={project} mayChange />
    </>
  );
}

const you = { READER: 'a reader', EDITOR: 'an editor' };

function Read({ project }: { project: Project }) {
  return (
    <>
      <Text size="sm" c="dimmed" className="lock">
        <IconLock size={15} aria-hidden /> You are {project.role === 'EDITOR' ? you.EDITOR : you.READER} here. Only
        administrators of the project change its settings.
      </Text>
      <AboutRead project={project} />
      <MembersUnseen createdBy={project.createdBy} />
      <Secrets project={project} mayChange={false} />
    </>
  );
}

function Awaited() {
  return ['About', 'Members', 'Secrets'].map((title) => (
    <Panel key={title} title={title}>
      <Skeleton height={14} width="60%" />
      <Skeleton height={14} width="40%" />
    </Panel>
  ));
}
