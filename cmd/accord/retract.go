// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"accord"
	"accord/ledger"
)

type retractCmd struct {
	ID     string `arg:"" help:"STIX identifier of the item, one of this node's own."`
	Reason string `required:"" help:"Why, in at most 500 bytes; the receivers read it." placeholder:"TEXT"`
}

func (c *retractCmd) Run(e *env) error {
	reason, err := ledger.ReasonLine(c.Reason)
	if err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	return n.retract(e, c.ID, reason)
}

func (n *node) retract(e *env, id, reason string) error {
	if err := n.keepSelf(id); err != nil {
		return err
	}
	versions, err := n.db.Withdraw(e.ctx, id, reason, accord.StampOf(now()))
	if err != nil {
		return missing(err, "%s is no item of this node's own: a partner's is for the partner to retract", id)
	}
	if versions == 0 {
		fmt.Fprintf(e.stdout, "%s was withdrawn before: nothing was changed.\n", id)
		return nil
	}
	fmt.Fprintf(e.stdout, "Withdrawn: %s, %d version(s). Its receivers are told by the running node.\n", id, versions)
	return n.audit(e.ctx, "item.retract", id, reason)
}

// keepSelf refuses to take back the node's own identity: what it authored refers
// to it.
func (n *node) keepSelf(id string) error {
	if id == n.self.Identity {
		return fmt.Errorf("%w: %s is this node's own identity, which all that it authored refers to: it cannot be retracted", accord.ErrForbidden, id)
	}
	return nil
}
