// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics serves the node's figures to Prometheus.
func (r *running) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), figures{r})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}

// figures are the totals of the store, read when they are asked for.
type figures struct{ r *running }

var (
	itemsDesc     = prometheus.NewDesc("accord_items", "Items held, by STIX type.", []string{"type"}, nil)
	matchesDesc   = prometheus.NewDesc("accord_matches_total", "Meetings of an indicator and a seen, repeats included.", nil, nil)
	protectDesc   = prometheus.NewDesc("accord_protections", "Values protected against, by zone.", []string{"zone"}, nil)
	disclosedDesc = prometheus.NewDesc("accord_disclosed_total", "Disclosures to a party.", []string{"party"}, nil)
	receiptedDesc = prometheus.NewDesc("accord_receipted_total", "Disclosures that the party has receipted.", []string{"party"}, nil)
	withheldDesc  = prometheus.NewDesc("accord_withheld", "Items withheld from a party.", []string{"party"}, nil)
	receivedDesc  = prometheus.NewDesc("accord_received_total", "Items received from a party.", []string{"party"}, nil)
	soughtDesc    = prometheus.NewDesc("accord_index_values", "Values in the index.", nil, nil)
	partnerDesc   = prometheus.NewDesc("accord_partner_up", "1 when the last exchange with the partner went well.", []string{"party"}, nil)
	zoneDesc      = prometheus.NewDesc("accord_zone_serial", "Serial of a zone.", []string{"zone"}, nil)
	resolverDesc  = prometheus.NewDesc("accord_resolver_serial", "Serial of a zone that a resolver took last.", []string{"resolver", "zone"}, nil)
	notifyDesc    = prometheus.NewDesc("accord_resolver_notify_unanswered", "Zones whose last NOTIFY a resolver did not answer.", []string{"resolver"}, nil)
)

// Describe implements prometheus.Collector.
func (f figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		itemsDesc, matchesDesc, protectDesc, disclosedDesc, receiptedDesc, withheldDesc, receivedDesc, soughtDesc, partnerDesc,
		zoneDesc, resolverDesc, notifyDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f figures) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	f.resolvers(ch)
	c, err := f.r.db.Counts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(itemsDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, by map[string]int64) {
		for label, n := range by {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), label)
		}
	}
	gauge(itemsDesc, c.ByType)
	gauge(protectDesc, c.Protections)
	gauge(disclosedDesc, c.Disclosed)
	gauge(receiptedDesc, c.Receipted)
	gauge(withheldDesc, c.Withheld)
	gauge(receivedDesc, c.Received)
	ch <- prometheus.MustNewConstMetric(matchesDesc, prometheus.CounterValue, float64(c.MatchCount))
	ch <- prometheus.MustNewConstMetric(soughtDesc, prometheus.GaugeValue, float64(f.r.keeper.Index().Size()))
	f.partners(ctx, ch)
}

func (f figures) partners(ctx context.Context, ch chan<- prometheus.Metric) {
	parties, err := f.r.db.Parties(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(partnerDesc, err)
		return
	}
	for _, p := range parties {
		h, up := f.r.exchange.Health(p.Name), 0.0
		if p.URL == "" {
			continue
		}
		if h.Failing == "" && h.Quarantined == "" && !h.Reached.IsZero() {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(partnerDesc, prometheus.GaugeValue, up, p.Name)
	}
}

// resolvers are the zones, and where each resolver stands with them.
func (f figures) resolvers(ch chan<- prometheus.Metric) {
	if f.r.rpz == nil {
		return
	}
	status := f.r.rpz.Status()
	for zone, serial := range status.Zones {
		ch <- prometheus.MustNewConstMetric(zoneDesc, prometheus.GaugeValue, float64(serial), zone)
	}
	unanswered := map[string]float64{}
	for _, c := range status.Clients {
		resolver := c.Addr.String()
		unanswered[resolver] += 0
		if c.Problem != "" {
			unanswered[resolver]++
		}
		if !c.At.IsZero() {
			ch <- prometheus.MustNewConstMetric(resolverDesc, prometheus.GaugeValue, float64(c.Serial), resolver, c.Zone)
		}
	}
	for resolver, n := range unanswered {
		ch <- prometheus.MustNewConstMetric(notifyDesc, prometheus.GaugeValue, n, resolver)
	}
}
