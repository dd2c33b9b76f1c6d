/** Webhooks: addresses that others send signed messages to, and what each message started. */

import type { IPageContext } from '../page';
import { ListPage } from './listPage';
import { receiptsList } from './receiptsList';
import { webhooksList } from './webhooksList';

/** Shows both. */
export class WebhooksPage extends ListPage {
  constructor(context: IPageContext) {
    const { texts } = context;
    super(
      texts.__('Webhooks'),
      texts.__(
        'Others send signed messages to an address; each runs a deployment or emits an event.'
      )
    );
    this.add(webhooksList(context), texts.__('Addresses'));
    this.add(receiptsList(context), texts.__('Messages'));
  }
}
