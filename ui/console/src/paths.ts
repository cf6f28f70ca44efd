// Addresses of pages; nobody writes them by hand.
const part = encodeURIComponent;

export const paths = {
  home: () => '/',
  project: (project: string) => `/projects/${part(project)}`,
  endpoints: (project: string, view?: string, model?: string) => {
    const asked = [view && `view=${view}`, model && `model=${part(model)}`].filter(Boolean).join('&');
    return `/projects/${part(project)}/endpoints${asked && `?${asked}`}`;
  },
  activity: (project: string) => `/projects/${part(project)}/activity`,
  settings: (project: string) => `/projects/${part(project)}/settings`,
  model: (project: string, model: string, tab?: 'endpoints' | 'activity' | 'compare') =>
    `/projects/${part(project)}/models/${part(model)}${tab ? `/${tab}` : ''}`,
  version: (project: string, model: string, number: number) =>
    `/projects/${part(project)}/models/${part(model)}/versions/${number}`,
  deploy: (project: string, model: string, number: number, environment?: string) =>
    `/projects/${part(project)}/models/${part(model)}/versions/${number}/deploy${environment ? `?environment=${part(environment)}` : ''}`,
  endpoint: (project: string, model: string, number: number, environment: string) =>
    `/projects/${part(project)}/models/${part(model)}/versions/${number}/endpoints/${part(environment)}`,
  environments: () => '/environments',
  environment: (name: string) => `/environments/${part(name)}`,
};
