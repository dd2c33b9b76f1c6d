/** The ids of the commands for schedules, clusters and alerts. */

export const OverviewCommandIDs = {
  runDeployment: 'orchestra:run-deployment',
  pauseDeployment: 'orchestra:pause-deployment',
  resumeDeployment: 'orchestra:resume-deployment',
  openDashboard: 'orchestra:open-dashboard',
  markSeen: 'orchestra:mark-alerts-seen',
  retryDelivery: 'orchestra:retry-delivery',
  discardDelivery: 'orchestra:discard-delivery',
  discardLetter: 'orchestra:discard-dead-letter'
} as const;
