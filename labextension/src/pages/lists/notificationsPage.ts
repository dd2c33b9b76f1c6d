/** Notifications: what became of messages, the rules that say of what people hear, and the channels it goes to. */

import type { IPageContext } from '../page';
import { channelsList } from './channelsList';
import { deliveriesList } from './deliveriesList';
import { ListPage } from './listPage';
import { rulesList } from './rulesList';

/** Shows all three. */
export class NotificationsPage extends ListPage {
  constructor(context: IPageContext) {
    const { texts } = context;
    super(
      texts.__('Notifications'),
      texts.__('Rules say of which runs people hear; their messages go to channels.')
    );
    this.add(deliveriesList(context), texts.__('Messages'));
    this.add(rulesList(context), texts.__('Rules'));
    this.add(channelsList(context), texts.__('Channels'));
  }
}
