"""What people call the columns of a prediction log, by language: whole names, and words that names are made of.

All in the form of ``role_names.normal``: lower case, without accents, ä as ae. Plurals and endings of gender are understood, and
a word of five letters or more is also found at the end of a compound (``ausfallwahrscheinlichkeit``).
"""

from __future__ import annotations


def _words(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for text in texts for word in text.split()))


# Whole names, from most to least usual.

LABEL = _words(
    "label y_true true_label ground_truth groundtruth actual_label actual_value target y gt labels true_class true_value",
    "zielvariable zielwert wahrheit",
    "etiquette cible verite_terrain",
    "etiqueta objetivo verdad",
)
"""Names of the true outcome, whatever else the table holds."""
POSSIBLE_LABEL = _words(
    "actual actuals truth outcome observed class response result",
    "klasse ergebnis istwert",
    "classe resultat reel observe",
    "clase resultado real observado",
)
"""Names of the true outcome unless the content speaks against it; a class may be that of a journey."""
PREDICTION = _words(
    "prediction predicted_label predicted_class predicted_value prediction_label pred_label y_pred ypred y_hat yhat "
    "predicted pred preds predictions forecast decision model_output",
    "vorhersage prognose",
    "prevision prediction_modele",
    "prediccion pronostico",
)
SCORE = _words(
    "score proba probability prob p y_score y_proba y_prob pred_proba pred_prob prediction_proba prediction_probability "
    "prediction_score predicted_probability predicted_proba predicted_prob predicted_score y_pred_proba y_pred_prob "
    "positive_probability model_score risk_score fraud_score",
    "wahrscheinlichkeit",
    "probabilite",
    "probabilidad puntaje puntuacion",
)
TIMESTAMP = _words(
    "served_at predicted_at scored_at prediction_time prediction_timestamp timestamp event_time event_timestamp "
    "request_time requested_at logged_at created_at ts datetime date_time time date month_end week_end",
    "zeitstempel zeitpunkt datum zeit",
    "horodatage date_heure date_prediction date heure",
    "fecha_hora marca_de_tiempo fecha_prediccion fecha hora",
)
LABEL_TIME = _words(
    "label_at label_time label_timestamp label_date labelled_at labeled_at label_received_at label_created_at "
    "outcome_at outcome_time outcome_date feedback_at feedback_time ground_truth_at ground_truth_time target_time target_date",
    "label_datum label_zeitpunkt",
    "date_etiquette date_label",
    "fecha_etiqueta fecha_label",
)
LABEL_SOURCE = ("label_source",)
VERSION = _words(
    "model_version modelversion model_ver model_tag model_release version",
    "modell_version modellversion",
    "version_modele version_du_modele",
    "version_modelo version_del_modelo",
    "gen_ai_response_model gen_ai_request_model",
)
ID = _words(
    "id request_id prediction_id row_id event_id record_id uuid guid transaction_id rowid key",
    "identifiant",
    "identificador",
)

OPENTELEMETRY = tuple(
    f"{space}."
    for space in _words(
        "service host k8s container cloud process deployment telemetry os faas http url server client network user_agent",
        "error exception feature_flag gen_ai",
    )
)
"""Beginnings of the names of OpenTelemetry's semantic conventions: where and how was answered, which no model is given."""

# Words within names.

TRUTH_WORDS = _words(
    "label true truth actual observed target outcome result response class feedback human expert annotated gold",
    "ist istwert tatsaechlich tatsaechlicher ziel ergebnis klasse",
    "reel reelle cible etiquette resultat observe observee classe",
    "real objetivo etiqueta resultado observado clase",
)
PREDICTION_WORDS = _words(
    "pred preds predicted prediction yhat hat forecast forecasted fcst guess estimate estimated eta verdict decision",
    "vorhersage vorhergesagt vorhergesagter prognose prognostiziert schaetzung geschaetzt geschaetzter",
    "prevu prevue prevision predit predite estime estimee",
    "prediccion predicho pronostico pronosticado previsto estimado",
)
SURE_PREDICTION_WORDS = _words(
    "pred preds predicted prediction yhat", "vorhersage vorhergesagt", "predit predite", "prediccion predicho"
)
"""Of the former those that no input is usually named by; a forecast may be one of the weather."""
SCORE_WORDS = _words(
    "score proba probability prob probs likelihood propensity risk pd pctr pcvr",
    "wahrscheinlichkeit risiko",
    "probabilite vraisemblance risque",
    "probabilidad puntaje puntuacion riesgo",
)
CONFIDENCE_WORDS = _words("confidence certainty", "konfidenz sicherheit", "confiance", "confianza")
TIME_WORDS = _words(
    "at time date timestamp ts dt day datetime",
    "datum zeit zeitpunkt zeitstempel",
    "date heure horodatage",
    "fecha hora",
)
FIRST_TIME_WORDS = _words("date heure fecha hora datum zeitpunkt")
"""Where a language puts the noun first: ``date_transaction``."""
OTHER_TIME_WORDS = _words(
    "label birth dob due deadline expir end dropoff closed updated modified issued since until hire join signup outcome feedback",
    "geburt faellig ablauf geschlossen geaendert eintritt",
    "naissance echeance expiration cloture embauche",
    "nacimiento vencimiento cierre modificacion alta",
)
"""Parts of names of another moment than the one of the prediction."""
KEY_WORDS = _words(
    "id uuid guid key hash no nr serial number ref reference",
    "nummer kennung referenz",
    "identifiant numero",
    "identificador referencia",
)
OUTCOME_WORDS = _words(
    "churn churned fraud fraudulent default defaulted spam click clicked converted conversion returned readmitted purchased "
    "cancelled canceled left bad approved repaid attrition delinquent",
    "betrug ausfall kuendigung gekuendigt storno storniert zahlungsausfall",
    "fraude resiliation resilie defaut impaye achat",
    "abandono impago mora incumplimiento baja compra",
)
"""What is often predicted; a hint that only counts beside what the values say."""
HISTORY_WORDS = _words(
    "lag last prev previous prior past past avg mean rolling yesterday history baseline",
    "vorher vorjahr vormonat bisher mittel letzte letzter",
    "precedent precedente hier moyenne dernier",
    "anterior ayer promedio media pasado ultimo",
)
"""Of inputs that tell of the past; they agree with what is predicted without being it."""
MACHINE_WORDS = ("ai", "ki", "bot")
"""First words of what a model said: ``ai_diagnosis``."""
MODEL_WORDS = ("model", "modell", "modele", "modelo")
FEATURE_PREFIXES = _words("f feat feature features x input inputs merkmal variable")
FILLERS = _words(
    "is has was will did be the y of model value final flag flg ind de la le du del der die das modele modelo modell"
)
"""Words that say nothing about what is predicted."""
