// The endpoints of a project, or of one of its models, by how they are.
import { useParams } from 'react-router';
import { ProjectEndpointsDocument } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { START, useAddress } from '@/parts/address';
import { Chip } from '@/parts/chips';
import { EndpointList, useEndpointView } from '@/parts/endpoint-list';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { paths } from '@/paths';

export default function Endpoints() {
  const project = useParams().project ?? '';
  const { one, set } = useAddress();
  const model = one('model') ?? null;
  const view = useEndpointView();
  const asked = { project, ...view.place, filter: { ...view.filter, project, model } };
  const [{ data, fetching, error }, again] = useLiveQuery(ProjectEndpointsDocument, asked, { project });
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
  ];
  if (data && !data.project && !error) return <Missing what={`project “${project}”`} way={way.slice(0, 1)} />;
  return (
    <Page title="Endpoints" way={way}>
      {model !== null && (
        <div>
          <Chip text={`of ${model} alone`} onRemove={() => set({ model: null, ...START })} />
        </div>
      )}
      <EndpointList
        label={`Endpoints of ${project}`}
        list={data?.versionEndpoints}
        places
        none={`No version of the ${model === null ? 'project' : 'model'} is deployed.`}
        {...{ view, asked, fetching, error, again }}
      />
    </Page>
  );
}
