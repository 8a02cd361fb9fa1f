"""Forty prediction logs as people name their columns, with what each column is; made-up rows give them content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from backslide.contracts.labels import label_text
from backslide.contracts.roles import Roles

N = 600
START = datetime(2026, 3, 1)
FEATURES = ("num", "cat", "flag", "share", "points", "text")
OUTPUTS = ("label", "late", "pred", "score", "confidence", "label_time", "label_source", "id", "version")
"""What must never be a feature. ``key`` (a customer who comes back) may be one or not."""
ROLES = {
    "label": "label",
    "late": "label",
    "pred": "prediction",
    "time": "timestamp",
    "id": "id",
    "version": "version",
    "label_time": "label_time",
    "label_source": "label_source",
}  # fmt: skip - a line for a schema


@dataclass(frozen=True)
class Schema:
    """``columns``: ``name=kind`` each, with commas; ``classes``: negative first, empty for regression."""

    what: str
    classes: tuple[object, ...]
    columns: str

    @property
    def kinds(self) -> dict[str, str]:
        """Column -> kind, in order."""
        return dict(part.strip().rsplit("=", 1) for part in self.columns.split(","))

    def expected(self) -> Roles:
        """The roles that a person would give, without features."""
        roles = {
            ROLES[kind.split(":")[0]]: column for column, kind in self.kinds.items() if kind.split(":")[0] in ROLES
        }
        scores = {}
        for column, kind in self.kinds.items():
            if kind == "score":
                scores[label_text(self.classes[-1])] = column
            elif kind.startswith("score:"):
                scores[label_text(self.classes[int(kind[6:])])] = column
        return Roles(**roles, scores=scores)

    def features(self) -> set[str]:
        """Columns that the model was given."""
        return {column for column, kind in self.kinds.items() if kind in FEATURES}

    def outputs(self) -> set[str]:
        """Columns that would leak as features."""
        return {column for column, kind in self.kinds.items() if kind.split(":")[0] in OUTPUTS}


def frame(schema: Schema, seed: int = 0) -> pl.DataFrame:
    """Rows in which features move the truth, scores know it in part, and predictions follow from scores."""
    rng = np.random.default_rng([seed, *schema.what.encode()])
    known = rng.normal(size=N)
    made = (_regression if not schema.classes else _classes)(schema.classes, known, rng)
    return pl.DataFrame({column: _values(kind, made, known, rng) for column, kind in schema.kinds.items()})


Made = dict[str, object]


def _regression(_: tuple[object, ...], known: np.ndarray, rng: np.random.Generator) -> Made:
    truth = 40 + 10 * known + rng.normal(0, 4, N)
    return {"label": truth.round(2), "pred": (40 + 9 * known + rng.normal(0, 2, N)).round(2)}


def _classes(classes: tuple[object, ...], known: np.ndarray, rng: np.random.Generator) -> Made:
    logits = np.stack(
        [(1.8 * known - 0.7) * k + 1.2 * rng.normal(size=N) * (k > 0) for k in range(len(classes))], axis=1
    )
    if len(classes) > 2:
        logits += rng.normal(0, 1.5, logits.shape)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (chances.cumsum(axis=1) > rng.random((N, 1))).argmax(axis=1)
    label = [classes[k] for k in drawn]
    shares = chances.round(4)
    return {
        "label": label,
        "pred": [classes[k] for k in chances.argmax(axis=1)],
        "score": shares[:, -1],
        "confidence": shares.max(axis=1),
        **{f"score:{k}": shares[:, k] for k in range(len(classes))},
    }  # fmt: skip - a line for a schema


def _values(kind: str, made: Made, known: np.ndarray, rng: np.random.Generator) -> object:
    if kind in made:
        return made[kind]
    kind, _, form = kind.partition(":")
    makers: dict[str, Callable[[], object]] = {
        "num": lambda: (known * rng.normal() + rng.normal(size=N) * 2).round(3),
        "points": lambda: (600 + 60 * known + rng.normal(0, 60, N)).round().astype(int),
        "cat": lambda: rng.choice(["north", "south", "east"], N),
        "flag": lambda: (known + rng.normal(0, 2, N) > 0.4).astype(int),
        "share": lambda: rng.beta(2, 3, N).round(4),
        "text": lambda: [f"words {rng.integers(0, 9999)} and {rng.integers(0, 9999)} more" for _ in range(N)],
        "key": lambda: rng.integers(10_000, 10_400, N),
        "id": lambda: np.arange(5000, 5000 + N) if form == "number" else [f"r-{i:05d}" for i in rng.permutation(N)],
        "time": lambda: _times(form),
        "label_time": lambda: [at + timedelta(days=2) for at in _times("")],
        "label_source": lambda: rng.choice(["crm", "review"], N),
        "other_time": lambda: [datetime(1990, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 9000, N)],
        "version": lambda: ["v1"] * 420 + ["v2"] * (N - 420),
        "late": lambda: [value if i < 250 else None for i, value in enumerate(made["label"])],
        "index": lambda: np.arange(N),
    }
    return makers[kind]()


@cache
def _times(form: str) -> list[object]:
    times = [START + timedelta(hours=2.5 * i) for i in range(N)]
    forms: dict[str, Callable[[datetime], object]] = {
        "": lambda at: at,
        "date": lambda at: at.date(),
        "iso": lambda at: at.isoformat(),
        "german": lambda at: at.strftime("%d.%m.%Y %H:%M"),
        "epoch": lambda at: int(at.replace(tzinfo=UTC).timestamp()),
    }
    return [forms[form](at) for at in times]


BINARY = (0, 1)

SCHEMAS = (
    Schema(
        "churn",
        BINARY,
        "customer_id=key, snapshot_date=time:date, tenure_months=num, plan=cat, churned=label, "
        "churn_pred=pred, churn_score=score",
    ),
    Schema(
        "card fraud",
        BINARY,
        "transaction_id=id, transaction_time=time, amount=num, merchant_category=cat, "
        "card_present=flag, is_fraud=label, fraud_score=score",
    ),
    Schema(
        "loans",
        BINARY,
        "loan_id=id, application_date=time:date, income=num, term=num, home_ownership=cat, "
        "default=label, default_probability=score",
    ),
    Schema("notebook", BINARY, "x1=num, x2=num, x3=share, y=label, y_hat=pred, proba_1=score"),
    Schema("service", BINARY, "age=num, city=cat, target=label, predicted_label=pred, confidence=confidence"),
    Schema(
        "Kredit",
        BINARY,
        "Antragsnummer=id, Antragsdatum=time:date, Einkommen=num, Laufzeit=num, Beruf=cat, "
        "Ausfall=label, Prognose=pred, Ausfallwahrscheinlichkeit=score",
    ),
    Schema(
        "Kündigung",
        BINARY,
        "kunden_id=key, zeitstempel=time, alter=num, tarif=cat, gekuendigt=label, "
        "vorhersage=pred, wahrscheinlichkeit=score",
    ),
    Schema(
        "Immobilien",
        (),
        "objekt_id=id:number, wohnflaeche=num, zimmer=num, lage=cat, verkaufspreis=label, preis_vorhersage=pred",
    ),
    Schema(
        "Versicherung",
        ("nein", "ja"),
        "Schaden-Nr=id, Meldedatum=time:german, Schadenhöhe=num, Sparte=cat, "
        "Betrug=label, Betrug_Vorhersage=pred, Betrug_Score=score",
    ),
    Schema(
        "fraude",
        BINARY,
        "id_transaction=id, date_transaction=time, montant=num, pays=cat, fraude=label, score_fraude=score",
    ),
    Schema(
        "résiliation",
        ("non", "oui"),
        "client_id=key, date=time:date, ancienneté=num, forfait=cat, résilié=label, "
        "prediction_resiliation=pred, probabilité_résiliation=score",
    ),
    Schema(
        "électricité",
        (),
        "date_heure=time, temperature=num, jour_ferie=flag, consommation=label, consommation_prevue=pred",
    ),
    Schema(
        "abandono",
        BINARY,
        "cliente_id=key, fecha=time:date, ingresos=num, antiguedad=num, abandono=label, "
        "prediccion=pred, probabilidad=score",
    ),
    Schema(
        "crédito",
        ("no", "si"),
        "solicitud_id=id, fecha_solicitud=time:date, monto=num, plazo=num, impago=label, "
        "impago_predicho=pred, puntaje_impago=score",
    ),
    Schema("vivienda", (), "superficie=num, habitaciones=num, barrio=cat, precio_real=label, precio_estimado=pred"),
    Schema(
        "clicks",
        (False, True),
        "requestId=id, requestTime=time, userAge=num, deviceType=cat, clicked=label, "
        "clickProbability=score, modelVersion=version",
    ),
    Schema(
        "mainframe",
        BINARY,
        "CUST_ID=key, TS=time, BALANCE=num, SEGMENT=cat, LABEL=label, PREDICTION=pred, "
        "SCORE=score, MODEL_VERSION=version",
    ),
    Schema(
        "own log",
        ("paid", "default"),
        "id=id, at=time, version=version, prediction=pred, label=late, "
        "label_at=label_time, label_source=label_source, p_paid=score:0, p_default=score:1, income=num, plan=cat",
    ),
    Schema(
        "letters",
        ("complaint", "contract", "invoice"),
        "document_id=id, received_at=time, source=cat, pages=num, "
        "ocr_confidence=share, category=label, predicted=pred, p_complaint=score:0, p_contract=score:1, "
        "p_invoice=score:2",
    ),
    Schema(
        "iris",
        ("setosa", "versicolor", "virginica"),
        "sepal_length=num, petal_length=num, species=label, "
        "predicted_species=pred, prob_setosa=score:0, prob_versicolor=score:1, prob_virginica=score:2",
    ),
    Schema(
        "tickets",
        ("billing", "login", "other"),
        "ticket_id=id, created_at=time, channel=cat, n_words=num, "
        "queue=label, predicted_queue=pred, confidence=confidence",
    ),
    Schema(
        "sentiment",
        ("bad", "fine", "good"),
        "text=text, n_chars=num, sentiment=label, sentiment_pred=pred, sentiment_confidence=confidence",
    ),
    Schema("demand", (), "store=cat, week=time:date, price=num, promo=flag, units_sold=label, forecast=pred"),
    Schema(
        "arrival",
        (),
        "trip_id=id, pickup_time=time:iso, distance_km=num, rain=flag, actual_minutes=label, "
        "eta_minutes=pred, dropoff_time=other_time",
    ),
    Schema("houses", (), "Id=id:number, LotArea=num, Neighborhood=cat, SalePrice=label, SalePrice_pred=pred"),
    Schema(
        "prefixes",
        BINARY,
        "f_age=num, f_income=num, f_region=cat, label_default=label, pred_default=pred, score_default=score",
    ),
    Schema(
        "dotted",
        BINARY,
        "meta.request_id=id, meta.timestamp=time, meta.model_version=version, features.age=num, "
        "features.income=num, output.prediction=pred, output.score=score, feedback.label=late",
    ),
    Schema("energy", (), "datetime=time, temperature=num, holiday=flag, target=label, prediction=pred"),
    Schema(
        "car loans",
        BINARY,
        "id=id:number, car_value=num, salary_range=cat, loan_length=num, "
        "repaid_loan_on_prev_car=flag, timestamp=time, y_pred_proba=score, y_pred=pred, repaid=label",
    ),
    Schema(
        "hospital",
        BINARY,
        "patient_id=key, admission_date=time:date, age=num, ward=cat, readmitted=label, readmission_risk=score",
    ),
    Schema(
        "staff",
        ("no", "yes"),
        "employee_no=id, hire_date=other_time, department=cat, salary=num, left=label, "
        "attrition_flag=pred, attrition_probability=score",
    ),
    Schema("advertising", BINARY, "impression_id=id, ts=time:epoch, position=num, device=cat, click=label, pctr=score"),
    Schema(
        "mail",
        ("ham", "spam"),
        "message_id=id, received_at=time, n_links=num, spam=label, spam_prediction=pred, spam_prob=score",
    ),
    Schema(
        "cards",
        BINARY,
        "account=key, month_end=time:date, utilisation=share, discount_share=share, defaulted=label, pd=score",
    ),
    Schema(
        "no labels yet", BINARY, "request_id=id, served_at=time, amount=num, region=cat, prediction=pred, score=score"
    ),
    Schema(
        "returns",
        BINARY,
        "order_id=id, ordered_at=time, amount=num, returned=late, return_predicted=pred, "
        "return_probability=score, label_received_at=label_time",
    ),
    Schema(
        "approval",
        (False, True),
        "applicationDate=time, purpose=cat, amount=num, approved=label, "
        "approved_pred=pred, prob_true=score:1, prob_false=score:0",
    ),
    Schema(
        "bureau",
        BINARY,
        "app_id=id, scored_at=time, credit_score=points, test_score=num, bad=label, "
        "bad_predicted=pred, bad_proba=score",
    ),
    Schema(
        "exported frame",
        BINARY,
        "Unnamed: 0=index, Age=num, Gender=cat, Outcome=label, Predicted Outcome=pred, Predicted Probability=score",
    ),
    Schema(
        "quality",
        ("ok", "scrap"),
        "PartSerial=id, MeasuredAt=time, TempC=num, Line=cat, InspectionResult=label, "
        "ModelVerdict=pred, ScrapProbability=score",
    ),
)  # fmt: skip - a line for a schema

HELD_ASIDE = (
    Schema(
        "telemetry",
        ("normal", "fault"),
        "machine_id=key, reading_time=time, vibration=num, rpm=num, shift=cat, "
        "actual_state=label, predicted_state=pred, fault_probability=score",
    ),
    Schema(
        "insurance",
        (),
        "policy_no=id, quote_date=time:date, driver_age=num, vehicle_class=cat, "
        "claim_amount=label, claim_amount_hat=pred",
    ),
    Schema(
        "Bewerbungen",
        ("abgelehnt", "eingestellt"),
        "BewerberNr=id, EingangsDatum=time, Berufsjahre=num, "
        "Abschluss=cat, Entscheidung_tatsaechlich=label, Entscheidung_prognose=pred, Score_Einstellung=score",
    ),
    Schema(
        "Lieferzeit",
        (),
        "auftrag_id=id, bestellt_am=time, gewicht=num, lager=cat, lieferzeit_ist=label, lieferzeit_prognose=pred",
    ),
    Schema(
        "assurance",
        BINARY,
        "numero_contrat=id, date_souscription=time, âge=num, région=cat, sinistre=label, "
        "sinistre_prédit=pred, risque_sinistre=score",
    ),
    Schema("loyers", (), "ref=id, surface=num, ville=cat, loyer=label, loyer_estimé=pred"),
    Schema("ventas", (), "tienda=cat, fecha=time:date, promoción=flag, ventas_reales=label, ventas_pronosticadas=pred"),
    Schema(
        "morosidad",
        BINARY,
        "idCliente=key, fechaCorte=time:date, saldo=num, sector=cat, moroso=label, scoreMorosidad=score",
    ),
    Schema(
        "moderation",
        ("ok", "spam", "hate"),
        "comment_id=id, posted_at=time, body=text, moderator_label=late, "
        "model_label=pred, p_ok=score:0, p_spam=score:1, p_hate=score:2, modelVersion=version",
    ),
    Schema(
        "triage",
        ("low", "medium", "high"),
        "VISIT_ID=id, ARRIVAL_TS=time, AGE=num, SITE=cat, TRIAGE_TRUE=label, TRIAGE_PRED=pred, PRED_CONF=confidence",
    ),
    Schema(
        "recommender",
        BINARY,
        "event_id=id, event_ts=time:epoch, user_segment=cat, price=num, purchased=label, purchase_propensity=score",
    ),
    Schema(
        "money laundering",
        BINARY,
        "alert_id=id, alert_date=time:date, amount=num, country_risk=share, "
        "previous_alerts=num, sar_filed=late, sar_filed_at=label_time, model_score=score, model_decision=pred",
    ),
    Schema(
        "underscored outputs",
        BINARY,
        "in_age=num, in_tenure=num, out_class=pred, out_proba=score, gt_class=label, ts=time, uuid=id",
    ),
    Schema("wine", (), "fixed_acidity=num, alcohol=num, type=cat, quality=label, predicted_quality=pred"),
    Schema(
        "credit memo",
        ("good", "bad"),
        "ApplicationId=id, DecisionDate=time:date, Income=num, FicoScore=points, "
        "Outcome12m=label, ModelGrade=pred, ModelPD=score",
    ),
    Schema(
        "parking",
        (),
        "garage=cat, observed_at=time, weekday=cat, rain_mm=num, occupancy=label, occupancy_forecast=pred",
    ),
    Schema(
        "plant disease",
        ("healthy", "rust", "blight"),
        "image_id=id, taken_on=time:date, camera=cat, brightness=num, expert_diagnosis=label, "
        "ai_diagnosis=pred, ai_confidence=confidence",
    ),
    Schema(
        "Retouren",
        ("nein", "ja"),
        "Bestellnummer=id, Bestelldatum=time:date, Warenwert=num, Kategorie=cat, Retoure_Ist=label, "
        "Retoure_Vorhersage=pred, Retoure_Wkt=score",
    ),
    Schema("Stromlast", (), "Zeit=time, Temperatur=num, Feiertag=flag, Last_MW=label, Last_Prognose_MW=pred"),
    Schema(
        "tri du courrier",
        ("facture", "contrat", "plainte"),
        "identifiant=id, reçu_le=time, longueur=num, canal=cat, catégorie_réelle=label, "
        "catégorie_prédite=pred, confiance=confidence",
    ),
    Schema(
        "santé",
        BINARY,
        "patient=key, date_entrée=time:date, tension=num, sexe=cat, réadmission=label, proba_réadmission=score",
    ),
    Schema(
        "compras",
        ("no", "sí"),
        "sesion_id=id, momento=time, paginas=num, dispositivo=cat, compra=label, compra_predicha=pred, "
        "prob_compra=score",
    ),
    Schema(
        "tráfico", (), "sensor=cat, fechaHora=time, lluvia=num, vehiculos_observados=label, vehiculos_previstos=pred"
    ),
    Schema(
        "lead scoring",
        (False, True),
        "leadId=id, createdAt=time, source=cat, pageViews=num, isConverted=label, leadScore=score, "
        "modelVersion=version",
    ),
    Schema(
        "toxic comments",
        BINARY,
        "id=id, ts=time:iso, comment=text, len=num, toxic=label, toxic_hat=pred, p_toxic=score",
    ),
    Schema("mlflow eval", (), "feature_0=num, feature_1=num, feature_2=cat, label=label, prediction=pred"),
    Schema(
        "sagemaker",
        BINARY,
        "eventId=id, inferenceTime=time, age=num, income=num, prediction=pred, probability=score, "
        "groundTruthLabel=late",
    ),
    Schema(
        "vertex",
        ("a", "b"),
        "instance_id=id, request_time=time, col1=num, col2=cat, predicted_class=pred, score_a=score:0, "
        "score_b=score:1, actual_class=late",
    ),
    Schema(
        "underwriting",
        BINARY,
        "APPL_NO=id, APPL_DT=time:date, AGE=num, PD_SCORE=score, DECISION=pred, DEFAULT_FLG=late, "
        "DEFAULT_DT=label_time, PURPOSE=cat",
    ),
    Schema("no hint", (0, 1), "a=num, b=num, c=cat, truth=label, guess=pred"),
    Schema(
        "support bot",
        ("bug", "howto", "refund"),
        "conversation=id, started_at=time, lang=cat, length=num, agent_tag=label, bot_tag=pred, "
        "bot_certainty=confidence",
    ),
    Schema(
        "yield",
        (),
        "plot=key, sown_on=other_time, harvest_date=time:date, rainfall=num, soil=cat, yield_t_ha=label, "
        "yield_model=pred",
    ),
    Schema(
        "Bonität",
        ("gut", "schlecht"),
        "Kundennummer=key, Stichtag=time:date, Saldo=num, Branche=cat, Bonitaet=label, Bonitaet_pred=pred, PD=score",
    ),
    Schema(
        "Wartung",
        BINARY,
        "AnlageID=key, Messzeitpunkt=time, Druck=num, Typ=cat, Defekt=label, Defekt_vorhergesagt=pred, "
        "Risiko_Score=score",
    ),
    Schema("fréquentation", (), "musée=cat, jour=time:date, météo=num, entrées_réelles=label, entrées_estimées=pred"),
    Schema(
        "spam fr",
        ("non", "oui"),
        "message_id=id, horodatage=time, nb_liens=num, est_spam=label, spam_predit=pred, score_spam=score",
    ),
    Schema(
        "salud",
        BINARY,
        "id_paciente=key, fecha_ingreso=time:date, edad=num, sexo=cat, reingreso=label, riesgo_reingreso=score",
    ),
    Schema("demanda", (), "producto=cat, fecha=time:date, precio=num, demanda=label, demanda_estimada=pred"),
    Schema(
        "seq ids",
        ("neg", "pos"),
        "SeqNo=id, ScoringDate=time:date, Var1=num, Var2=num, Var3=cat, TrueClass=label, PredClass=pred, ProbPos=score",
    ),
    Schema("kaggle", BINARY, "id=id:number, feat_1=num, feat_2=num, feat_3=cat, target=label, pred=score"),
    Schema(
        "credit line",
        (),
        "acct=key, statement_date=time:date, limit=num, segment=cat, spend_actual=label, spend_fcst=pred",
    ),
    Schema(
        "loan bool",
        (False, True),
        "application_id=id, submitted_at=time, amount=num, purpose=cat, did_default=label, "
        "will_default=pred, default_likelihood=score",
    ),
    Schema(
        "image",
        ("cat", "dog", "bird"),
        "file=id, captured_at=time, width=num, annotation=label, top1=pred, prob_cat=score:0, "
        "prob_dog=score:1, prob_bird=score:2",
    ),
    Schema(
        "adtech", BINARY, "bid_id=id, bid_ts=time:epoch, floor=num, exchange=cat, converted=label, p_conversion=score"
    ),
    Schema(
        "wide names",
        BINARY,
        "Customer Identifier=key, Observation Date=time:date, Monthly Charges=num, Contract Type=cat, "
        "Has Churned=label, Model Prediction=pred, Model Probability Of Churn=score",
    ),
)  # fmt: skip - a line for a schema
"""Written after the guesses were made for the others: fifteen, and fifteen more after each round of amendments; 33 of the 45 were
right before anything was amended for them."""
