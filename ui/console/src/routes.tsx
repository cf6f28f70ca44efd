// The console's addresses. Each page is loaded when it is first opened. merlin/api/console.py knows their first parts.
import type { ComponentType } from 'react';
import { createBrowserRouter, type RouteObject } from 'react-router';
import { wanted } from './shell/chunks';
import { Lost } from './shell/lost';
import { Shell } from './shell/shell';
import { Loading } from './shell/loading';

type Page = () => Promise<{ default: ComponentType }>;

function at(path: string, page: Page): RouteObject {
  const lazy = async () => {
    // What Home needs of Mantine's styles is there already; the other pages' come with the first of them.
    const [{ default: Component }] = await wanted(() =>
      Promise.all([page(), path === '/' ? null : import('./mantine-pages.css')]),
    );
    return { Component };
  };
  return { path, lazy, HydrateFallback: Loading };
}

export const routes: RouteObject[] = [
  {
    Component: Shell,
    children: [
      {
        ErrorBoundary: Lost,
        HydrateFallback: Loading,
        children: [
          at('/', () => import('./pages/home/home')),
          at('/projects/:project', () => import('./pages/models/models')),
          at('/projects/:project/endpoints', () => import('./pages/endpoints/endpoints')),
          at('/projects/:project/activity', () => import('./pages/activity/activity')),
          at('/projects/:project/settings', () => import('./pages/settings/settings')),
          at('/projects/:project/models/:model', () => import('./pages/model/model')),
          at('/projects/:project/models/:model/:tab', () => import('./pages/model/model')),
          at('/projects/:project/models/:model/versions/:number', () => import('./pages/version/version')),
          at('/projects/:project/models/:model/versions/:number/deploy', () => import('./pages/deploy/deploy')),
          at(
            '/projects/:project/models/:model/versions/:number/endpoints/:environment',
            () => import('./pages/endpoint/endpoint'),
          ),
          at('/environments', () => import('./pages/environments/environments')),
          at('/environments/:name', () => import('./pages/environment/environment')),
          at('*', () => import('./pages/nowhere/nowhere')),
        ],
      },
    ],
  },
];

export const router = createBrowserRouter(routes);
