// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"accord/score"
)

func defaultScore() ScoreConfig {
	d := score.Default()
	days := func(m score.Model) float64 { return m.Lifetime.Hours() / 24 }
	return ScoreConfig{
		Formula: string(d.Network.Formula), Threshold: d.Network.Threshold, Base: d.Network.Base,
		NetworkDays: days(d.Network), PhishingDays: days(d.Phishing), FileDays: days(d.File),
		NetworkSpeed: d.Network.Speed, PhishingSpeed: d.Phishing.Speed, FileSpeed: d.File.Speed,
	}
}

// models are the models that the configuration describes.
func (c ScoreConfig) models() (score.Models, error) {
	model := func(name string, days, speed float64) score.Model {
		length := time.Duration(min(max(days, 0), 36500) * float64(24*time.Hour))
		return score.Model{
			Name: name, Formula: score.Formula(c.Formula), Lifetime: length, HalfLife: length, Speed: speed,
			Threshold: c.Threshold, Base: c.Base,
		}
	}
	m := score.Models{
		Network:  model(score.Network, c.NetworkDays, c.NetworkSpeed),
		Phishing: model(score.Phishing, c.PhishingDays, c.PhishingSpeed),
		File:     model(score.File, c.FileDays, c.FileSpeed),
	}
	for _, line := range c.Reliability {
		source, r, err := score.ParseReliability(line)
		if err != nil {
			return m, err
		}
		if m.Reliability == nil {
			m.Reliability = map[string]float64{}
		}
		m.Reliability[source] = r
	}
	return m, m.Check()
}

// scoreStage is where it is kept by which models protections were decided.
const scoreStage = "score"

// rescore has all protections decided anew when the models are not those they were
// decided by.
func (r *running) rescore(ctx context.Context) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", r.config.Score))
	now := int64(binary.BigEndian.Uint64(sum[:]) >> 1)
	was, err := r.db.Cursor(ctx, scoreStage)
	if err != nil || was == now {
		return err
	}
	if err := r.protect.StartReview(ctx); err != nil {
		return err
	}
	return r.db.Advance(ctx, scoreStage, was, now)
}
